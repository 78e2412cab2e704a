"""Installs the Debian packages that the `debian` tests use as peers, where it may; says what is missing where not."""

import os
import shutil
import subprocess
import sys

PACKAGES = {  # program: package
    "mosquitto": "mosquitto",
    "mosquitto_sub": "mosquitto-clients",
    "mbpoll": "mbpoll",
    "coap-client-notls": "libcoap3-bin",
    "chromium": "chromium",
}
FONT = "fonts-noto-cjk"  # screenshots of Chinese pages; nothing fails without it


def missing() -> list[str]:
    return [package for program, package in PACKAGES.items() if shutil.which(program) is None]


def main() -> int:
    wanted = missing()
    if not wanted:
        return 0
    become_root = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if all(shutil.which(program) for program in ("apt-get", *become_root[:1])):
        sys.stderr.write(f"installing {', '.join(wanted)} ...\n")
        quiet = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *wanted, FONT]):
            subprocess.run([*become_root, "apt-get", *step], check=False, env=quiet, stdout=sys.stderr)
    left = missing()
    if left:
        sys.stderr.write(f"not installed: {', '.join(left)}. The tests that need them are skipped by name.\n")
        return 1 if os.environ.get("HUTONG_SKIP_NOTHING") else 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
