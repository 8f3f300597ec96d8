# SPDX-License-Identifier: Apache-2.0
#
# Raspberry Pi 4 Model B, the board and QEMU's model of it (DESIGN 8).
@0x9b1f4f3bd62a4e51;

using Cxx = import "/capnp/c++.capnp";
using M = import "/proto/manifest.capnp";
using Common = import "/services/init/manifest/common.capnp";
$Cxx.namespace("pyrene::init::manifest");

const raspi4b :M.Manifest = (
  platform = "raspi4b",
  compatible = ["raspberrypi,4-model-b"],
  services = [.raspi4bConsole, Common.xenstore, Common.xl],
  memories = [Common.journal, Common.xenstoreJournal],
  channels = Common.channels,
  vmm = Common.vmm);

const raspi4bConsole :M.Service = (
  name = "console", file = "services/console", heapKib = 1024, quotaPages = 64, priority = 20,
  heartbeatMs = 4000, restart = always, logKib = 8,
  capabilities = [
    Common.events,
    (name = "uart", rights = Common.readWrite, device = (base = 0xfe201000, pages = 1)),
    (name = "uart.irq", irq = 153),
    (name = "kernelLog", rights = Common.readOnly, kernelLog = void),
    (name = "journal", rights = Common.readWrite, memory = "console.journal"),
    (name = "logs", rights = Common.readOnly, logs = void)]);
