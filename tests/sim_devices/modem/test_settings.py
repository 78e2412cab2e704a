from pathlib import Path

from sim_devices.modem.settings import ModemConfig


def test_a_configured_module_is_in_the_network_that_its_file_describes() -> None:
    port = ModemConfig("m", "sim7020", Path("tty"), registration_s=7.0, delay_s=0.5, loss=0.1, rsrp_dbm=-120).port()
    network = port._network
    assert (port.name, port.address, port._family.name) == ("m", "tty", "sim7020")
    assert (network.registration_s, network.delay_s, network.loss, network.rsrp_dbm) == (7.0, 0.5, 0.1, -120)
