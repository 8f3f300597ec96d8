# SPDX-License-Identifier: Apache-2.0
#
# QEMU's virt machine with a GICv2.
@0xb6d54bd4b6fda1b9;

using Cxx = import "/capnp/c++.capnp";
using M = import "/proto/manifest.capnp";
using Common = import "/services/init/manifest/common.capnp";
$Cxx.namespace("pyrene::init::manifest");

const virt :M.Manifest = (
  platform = "virt",
  compatible = ["linux,dummy-virt"],
  dmaLimitMib = 0,
  services = [.virtConsole, Common.xenstore, .virtBlkback, Common.xl, .virtioBlk, .virtFs],
  memories = [Common.journal, Common.xenstoreJournal, Common.fsData, .virtioBlkQueue, .vdaData],
  channels = [
    Common.toolstackChannel, Common.consoleChannel, Common.xenstoreChannel, Common.fsChannel, Common.filesChannel, .vda, .virtFsDisk],
  vmm = Common.vmm);

const virtConsole :M.Service = (
  name = "console", file = "services/console", heapKib = 1024, quotaPages = 64, priority = 20,
  heartbeatMs = 4000, restart = always, logKib = 8,
  capabilities = [
    Common.events,
    (name = "uart", rights = Common.readWrite, device = (base = 0x09000000, pages = 1)),
    (name = "uart.irq", irq = 33),
    (name = "kernelLog", rights = Common.readOnly, kernelLog = void),
    (name = "journal", rights = Common.readWrite, memory = "console.journal"),
    (name = "logs", rights = Common.readOnly, logs = void)]);

const virtioBlkQueue :M.SharedMemory = (name = "virtio-blk.queue", pages = 3, dma = true);

# The last of 32 slots of virtio-mmio, which QEMU gives to its first virtio device.
const virtioBlk :M.Service = (
  name = "virtio-blk", file = "services/virtio_blk", arguments = ["vda", "fs.disk"], heapKib = 256, quotaPages = 48, priority = 24,
  heartbeatMs = 15000, restart = onFailure, logKib = 4,
  capabilities = [
    Common.events,
    (name = "registers", rights = Common.readWrite, device = (base = 0x0a003000, pages = 1)),
    (name = "vda.data", rights = Common.dmaMemory, memory = "vda.data"),
    (name = "irq", irq = 79),
    (name = "queue", rights = (read = true, write = true, dma = true), memory = "virtio-blk.queue"),
    (name = "fs.disk.data", rights = Common.dmaMemory, memory = "fs.disk.data")]);

# Data between that disk and blkback, which copies it from and to the guests' VMMs.
const vdaData :M.SharedMemory = (name = "vda.data", pages = 256, dma = true);
const vda :M.ChannelSpec = (
  name = "vda", client = "blkback", server = "virtio-blk", schemaId = 0x93a1e79d80864e35, ringBytes = 16384, clientBit = 0, serverBit = 1);

# Its arguments are the block devices that a guest may have, each with its channel. It maps the channels of all guests: page tables.
const virtBlkback :M.Service = (
  name = "blkback", file = "services/blkback", arguments = ["/dev/vda=vda"], heapKib = 1024, quotaPages = 96, priority = 18,
  heartbeatMs = 4000, restart = always, logKib = 8, capabilities = [
    Common.events,
    (name = "vda.data", rights = Common.readWrite, memory = "vda.data")]);

const virtFsDisk :M.ChannelSpec = (
  name = "fs.disk", client = "fs", server = "virtio-blk", schemaId = 0x93a1e79d80864e35, ringBytes = 4096, clientBit = 0, serverBit = 0);

# Its arguments: the disk's name as Linux calls it, then the channels that it serves.
const virtFs :M.Service = (
  name = "fs", file = "services/fs", arguments = ["vda", "fs", "files"], heapKib = 6656, quotaPages = 48, priority = 14,
  heartbeatMs = 15000, restart = always, logKib = 4,
  capabilities = [
    Common.events,
    (name = "fs.disk.data", rights = Common.readWrite, memory = "fs.disk.data")]);
