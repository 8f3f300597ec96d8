# SPDX-License-Identifier: Apache-2.0
#
# The system manifest: which services a machine runs and what each may use. A constant of init, one per platform; nobody sends it.
# Init refuses a manifest with a value out of the ranges given here, before it starts anything.
@0x99a2a7fbbe7048f5;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

struct Manifest {
  platform @0 :Text;                # "raspi4b", "virt": for messages
  compatible @1 :List(Text);        # root `compatible` strings of the device tree that this manifest is for
  services @2 :List(Service);       # in the order of their start; names unique; at most 32
  memories @3 :List(SharedMemory);  # names unique; at most 64
  channels @4 :List(ChannelSpec);   # names unique; at most 64
  vmm @5 :Service;                  # what each guest's VMM is started as; its name is "vmm.N"
  maxGuests @6 :UInt8 = 16;         # at once, 0..32
  dmaLimitMib @7 :UInt32 = 1024;    # MiB: every DMA master of the board reaches the RAM below; 0: all of it
}

struct Service {
  name @0 :Text;               # 1..18 bytes of a-z 0-9 . - (with "log." before it a capability's name)
  file @1 :Text;               # the program, in the boot bundle
  arguments @2 :List(Text);    # argv[1..]; at most 31, 1,015 bytes with their NULs
  heapKib @3 :UInt32;          # KiB, a multiple of 4, 64..262144
  stackKib @4 :UInt32 = 64;    # KiB, a multiple of 4, 16..1024
  quotaPages @5 :UInt32;       # pages of 4 KiB that the kernel may spend on its objects and page tables
  priority @6 :UInt8;          # 1..30; 31 is init's
  cpu @7 :UInt8;               # 0..7; beyond the machine's last CPU: on the last
  weight @8 :UInt16 = 256;     # of a time slice, 256 = 5 ms
  budgetUs @9 :UInt32;         # microseconds of CPU per period; 0: no limit
  periodUs @10 :UInt32;        # microseconds; 0 with budgetUs 0
  heartbeatMs @11 :UInt32;     # milliseconds in which it must answer a ping; 0: is not asked
  restart @12 :RestartPolicy;
  backoffMs @13 :UInt32 = 10;  # milliseconds before the first restart; doubles up to backoffMaxMs, and starts over after a minute of life
  backoffMaxMs @14 :UInt32 = 5000;
  logKib @15 :UInt32 = 16;     # KiB of its log ring, a multiple of 4, 4..64
  capabilities @16 :List(Capability);  # beside its channels; names unique; with the channels' two each at most 64
}

enum RestartPolicy {
  never @0;   # its end is logged
  always @1;
  halt @2;    # the system can not go on: init says so and halts
  onFailure @3;  # always, but an end with status 0 is for good: the driver of a device that is not there
}

# One capability that the service finds by FindCapability(name).
struct Capability {
  name @0 :Text;      # 1..23 bytes
  rights @1 :Rights;
  union {
    device @2 :DeviceRange;
    irq @3 :UInt32;            # INTID, 32..1019
    memory @4 :Text;           # one of Manifest.memories
    firmware @5 :Void;         # system off and reset
    bundle @6 :Void;           # the boot bundle, read only
    deviceTree @7 :Void;       # read only
    kernelLog @8 :Void;        # read only
    gicv @9 :Void;             # the virtual CPU interface, for guests
    events @10 :Void;          # its own Notification: what its event loop waits on
    port @11 :Text;            # "SERVICE": calls that service's port, with a badge of this service
    ownPort @12 :Void;         # its own Port, to receive on
    logs @13 :Void;            # all services' log rings, read only: named "log.SERVICE"; console only
  }
}

struct Rights {
  read @0 :Bool;
  write @1 :Bool;
  dma @2 :Bool;   # may learn the physical address: trusted
  copy @3 :Bool;  # may be passed on
}

struct DeviceRange {
  base @0 :UInt64;   # physical address, a multiple of 4096
  pages @1 :UInt32;  # of 4096 bytes, 1..65536
}

# Memory that outlives the services that use it: journals, DMA buffers.
struct SharedMemory {
  name @0 :Text;
  pages @1 :UInt32;      # of 4096 bytes, 1..65536
  alignment @2 :UInt32 = 4096;  # bytes, a power of two, 4096..2097152
  dma @3 :Bool;          # below Manifest.dmaLimitMib, and never returned to the free pool
}

# A channel between two services (proto/channel.h). Each end finds its Memory as capability NAME, whose value is the bit of its `events`
# that the peer signals, and as NAME.peer what wakes the peer.
struct ChannelSpec {
  name @0 :Text;               # 1..18 bytes
  client @1 :Text;             # services of this manifest, not the same; one of them may be "init"
  server @2 :Text;
  schemaId @3 :UInt64;         # of the root message from client to server
  ringBytes @4 :UInt32 = 16384;  # bytes of each ring, a power of two, 1024..1048576
  poolKib @5 :UInt32;          # KiB of the data pool; rounded up to whole pages
  clientBit @6 :UInt8;         # 0..15, unique within the client; init hands out the bits above (services/init/layout.h)
  serverBit @7 :UInt8;         # 0..15, unique within the server
}
