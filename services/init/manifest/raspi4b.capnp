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
  services = [.raspi4bConsole, Common.xenstore, .raspi4bBlkback, Common.xl, .emmc2, .raspi4bFs],
  memories = [Common.journal, Common.xenstoreJournal, Common.fsData, .emmc2Descriptors, .mmcblk0Data],
  channels = [
    Common.toolstackChannel, Common.consoleChannel, Common.xenstoreChannel, Common.fsChannel, Common.filesChannel, .mmcblk0, .raspi4bFsDisk],
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

# Where ADMA2 finds its descriptors.
const emmc2Descriptors :M.SharedMemory = (name = "emmc2.descriptors", pages = 1, dma = true);

const emmc2 :M.Service = (
  name = "emmc2", file = "services/emmc2", arguments = ["mmcblk0", "fs.disk"], heapKib = 256, quotaPages = 48, priority = 24,
  heartbeatMs = 15000, restart = onFailure, logKib = 4,
  capabilities = [
    Common.events,
    (name = "registers", rights = Common.readWrite, device = (base = 0xfe340000, pages = 1)),
    (name = "mmcblk0.data", rights = Common.dmaMemory, memory = "mmcblk0.data"),
    (name = "irq", irq = 158),
    (name = "descriptors", rights = (read = true, write = true, dma = true), memory = "emmc2.descriptors"),
    (name = "deviceTree", rights = Common.readOnly, deviceTree = void),
    (name = "fs.disk.data", rights = Common.dmaMemory, memory = "fs.disk.data")]);

# Data between that disk and blkback, which copies it from and to the guests' VMMs.
const mmcblk0Data :M.SharedMemory = (name = "mmcblk0.data", pages = 256, dma = true);
const mmcblk0 :M.ChannelSpec = (
  name = "mmcblk0", client = "blkback", server = "emmc2", schemaId = 0x93a1e79d80864e35, ringBytes = 16384, clientBit = 0, serverBit = 1);

# Its arguments are the block devices that a guest may have, each with its channel. It maps the channels of all guests: page tables.
const raspi4bBlkback :M.Service = (
  name = "blkback", file = "services/blkback", arguments = ["/dev/mmcblk0=mmcblk0"], heapKib = 1024, quotaPages = 96, priority = 18,
  heartbeatMs = 4000, restart = always, logKib = 8, capabilities = [
    Common.events,
    (name = "mmcblk0.data", rights = Common.readWrite, memory = "mmcblk0.data")]);

const raspi4bFsDisk :M.ChannelSpec = (
  name = "fs.disk", client = "fs", server = "emmc2", schemaId = 0x93a1e79d80864e35, ringBytes = 4096, clientBit = 0, serverBit = 0);

# Its arguments: the disk's name as Linux calls it, then the channels that it serves.
const raspi4bFs :M.Service = (
  name = "fs", file = "services/fs", arguments = ["mmcblk0", "fs", "files"], heapKib = 6656, quotaPages = 48, priority = 14,
  heartbeatMs = 15000, restart = always, logKib = 4,
  capabilities = [
    Common.events,
    (name = "fs.disk.data", rights = Common.readWrite, memory = "fs.disk.data")]);
