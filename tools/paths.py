# SPDX-License-Identifier: Apache-2.0
"""Where things are.  Everything that is made or downloaded lies below BUILD."""
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ROOT / "tools"
BUILD = ROOT / "build"
LOGS = BUILD / "logs"
APT = BUILD / "apt"
SYSROOT = BUILD / "sysroot"
GUESTS = BUILD / "guests"
KERNEL_ELF = BUILD / "kernel" / "pyrene-kernel.elf"
KERNEL_IMAGE = BUILD / "kernel" / "pyrene-kernel.img"
SERVICES = BUILD / "services"
DEVICE_TREE = GUESTS / "bcm2711-rpi-4-b.dtb"
