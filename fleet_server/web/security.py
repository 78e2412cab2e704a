"""What a page may load and run: only our own files, never anything inline (CSP Level 3)."""

from urllib.parse import urlsplit


def content_security_policy(tiles: str = "") -> str:
    """`tiles` is the map's tile URL template: its host may serve images and nothing else."""
    images = ["'self'", "data:"]
    host = urlsplit(tiles.replace("{s}", "*"))
    if host.scheme in ("http", "https") and host.netloc:
        images.append(f"{host.scheme}://{host.netloc}")
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            f"img-src {' '.join(images)}",
            "font-src 'self'",
            "connect-src 'self'",
            "manifest-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'none'",
        ]
    )
