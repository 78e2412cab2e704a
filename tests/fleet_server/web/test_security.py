from fleet_server.web.security import content_security_policy


def test_nothing_inline_and_nothing_foreign_may_run() -> None:
    policy = dict(part.split(" ", 1) for part in content_security_policy().split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert "unsafe" not in content_security_policy()


def test_a_tile_server_may_serve_images_alone() -> None:
    policy = content_security_policy("https://{s}.tiles.example.test/{z}/{x}/{y}.png")
    assert policy.count("tiles.example.test") == 1
    assert "img-src 'self' data: https://*.tiles.example.test;" in policy


def test_a_tile_template_cannot_add_a_directive() -> None:
    assert "script-src 'self' evil" not in content_security_policy("https://x; script-src evil/{z}")
