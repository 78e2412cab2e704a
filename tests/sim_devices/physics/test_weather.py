from datetime import datetime, timedelta

from sim_devices.physics.weather import Sky, Weather

YEAR = datetime.fromisoformat("2026-01-01T00:00:00+08:00")


def sky(weather: Weather, **later: float) -> Sky:
    return weather.at((YEAR + timedelta(**later)).timestamp())


def test_july_is_warm_and_january_cold_and_afternoons_warmer_than_dawns() -> None:
    weather = Weather(1, 40.07, 116.33)
    july = [sky(weather, days=200 + day, hours=15) for day in range(20)]
    january = [sky(weather, days=10 + day, hours=15) for day in range(20)]
    dawns = [sky(weather, days=200 + day, hours=5) for day in range(20)]

    def mean(skies: list[Sky]) -> float:
        return sum(each.temperature for each in skies) / len(skies)

    assert mean(july) - mean(january) > 20
    assert mean(july) - mean(dawns) > 3


def test_noon_is_brighter_than_midnight_every_day_of_the_year() -> None:
    weather = Weather(2, 40.07, 116.33)
    for day in range(0, 365, 7):
        assert sky(weather, days=day, hours=12).illuminance > 1000 * sky(weather, days=day, hours=0).illuminance


def test_every_quantity_stays_plausible_and_rain_falls_from_clouds_alone() -> None:
    weather, rained = Weather(3, 40.07, 116.33), 0
    for hour in range(0, 365 * 24, 5):
        now = sky(weather, hours=hour)
        assert -30 < now.temperature < 45
        assert 5 <= now.humidity <= 100
        assert 95_000 < now.pressure < 107_000
        assert 0 <= now.wind_direction < 360
        assert 0 <= now.wind_speed < 30
        assert 1 <= now.pm2_5 <= now.pm10 < 900
        assert 30 < now.noise < 95
        assert now.rain >= 0
        if now.rain:
            rained += 1
            assert now.cloud > 0.7
    assert 30 < rained < 600


def test_rain_washes_the_air() -> None:
    weather = Weather(4, 40.07, 116.33)
    skies = [sky(weather, days=160, hours=hour) for hour in range(24 * 60)]
    wet = [each.pm2_5 for each in skies if each.rain > 1]
    dry = [each.pm2_5 for each in skies if not each.rain]
    assert sum(wet) / len(wet) < sum(dry) / len(dry)
