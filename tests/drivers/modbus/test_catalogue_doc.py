from drivers.modbus.catalogue_doc import PATH, render
from drivers.modbus.template import parse_model


def test_docs_devices_is_what_the_templates_say() -> None:
    assert PATH.read_text("utf-8") == render(), "run: python -m drivers.modbus.catalogue_doc"


def test_the_example_in_the_docs_is_a_model() -> None:
    example = render().split("```toml\n")[1].split("```")[0]
    model = parse_model(example, "docs/devices.md")
    assert [(channel.name, channel.scale) for channel in model.channels] == [("energy", -2)]
