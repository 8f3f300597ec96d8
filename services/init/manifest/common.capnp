# SPDX-License-Identifier: Apache-2.0
#
# What all platforms' manifests have in common.
@0x8ddf3a9be2d1c4f7;

using Cxx = import "/capnp/c++.capnp";
using M = import "/proto/manifest.capnp";
$Cxx.namespace("pyrene::init::manifest");

const readOnly :M.Rights = (read = true);
const readWrite :M.Rights = (read = true, write = true);

# What console keeps over its own death.
const journal :M.SharedMemory = (name = "console.journal", pages = 96);

# XenStore's: two halves, each for all that quotas let it hold, and changes (services/xenstore/service/limits.h).
const xenstoreJournal :M.SharedMemory = (name = "xenstore.journal", pages = 1664);

# Both ends of a block device: as the device sees it, and as blkback does.
const dmaMemory :M.Rights = (read = true, write = true, dma = true);

const events :M.Capability = (name = "events", rights = (read = true, write = true, copy = true), events = void);

const xenstore :M.Service = (
  name = "xenstore", file = "services/xenstore", heapKib = 5632, quotaPages = 64, priority = 16,
  heartbeatMs = 4000, restart = always, logKib = 16, capabilities = [
    .events,
    (name = "journal", rights = .readWrite, memory = "xenstore.journal")]);

const xl :M.Service = (
  name = "xl", file = "services/xl", heapKib = 1024, quotaPages = 48, priority = 8,
  heartbeatMs = 4000, restart = always, logKib = 8, capabilities = [.events]);

# Its event thread; it starts its vCPUs' threads itself, at priority 4. Its quota grows with its guest's memory and vCPUs (services/init/guest.cc).
const vmm :M.Service = (
  name = "vmm", file = "services/vmm", heapKib = 2560, quotaPages = 48, priority = 12,
  heartbeatMs = 4000, restart = never, logKib = 8,
  capabilities = [
    .events,
    (name = "bundle", rights = .readOnly, bundle = void),
    (name = "gicv", rights = .readWrite, gicv = void)]);

# What fs reads from the disk's driver, and what it writes.
const fsData :M.SharedMemory = (name = "fs.disk.data", pages = 32, dma = true);

const toolstackChannel :M.ChannelSpec = (
  name = "toolstack", client = "xl", server = "init", schemaId = 0xee41390775cbbc86, ringBytes = 16384, clientBit = 0, serverBit = 1);
const consoleChannel :M.ChannelSpec = (
  name = "console", client = "xl", server = "console", schemaId = 0xc87e83c7c06fce06, ringBytes = 16384, clientBit = 1, serverBit = 0);
const xenstoreChannel :M.ChannelSpec = (
  name = "xenstore", client = "xl", server = "xenstore", schemaId = 0xae122e14c2aaf550, ringBytes = 16384, clientBit = 2, serverBit = 0);
const fsChannel :M.ChannelSpec = (
  name = "fs", client = "xl", server = "fs", schemaId = 0xde9e0bc03fbb1a5d, ringBytes = 16384, poolKib = 64, clientBit = 3, serverBit = 1);
# Init reads guests' kernels.
const filesChannel :M.ChannelSpec = (
  name = "files", client = "init", server = "fs", schemaId = 0xde9e0bc03fbb1a5d, ringBytes = 4096, poolKib = 128, clientBit = 2, serverBit = 2);
