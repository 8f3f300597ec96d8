# SPDX-License-Identifier: Apache-2.0
#
# Between the toolstack, xl (client), and init (server): everything about domains that only init can do.
@0xa2377ec5e44f73d7;

using Cxx = import "/capnp/c++.capnp";
using Guest = import "/proto/guest.capnp";
$Cxx.namespace("pyrene::proto");

# xl to init. Each is answered by ToolstackReply with the same id; lists by several, `last` in the final one.
struct ToolstackRequest {
  id @0 :UInt32;                     # not 0
  union {
    createGuest @1 :Guest.GuestConfig;  # answered by `created`: the VMM exists and loads the guest
    destroyGuest @2 :UInt16;         # domid; `done` when its memory is free again
    listGuests @3 :Void;             # `guests`
    listServices @4 :ServiceQuery;   # `services`
    killService @5 :Text;            # name; the victim runs no further instruction; `done` when it is destroyed
    hostInfo @6 :Void;               # `host`
    powerOff @7 :Void;               # not answered
    reboot @8 :Void;                 # not answered
    setClock @9 :Int64;              # nanoseconds since 1970
    listFiles @10 :Text;             # directory; `files`
    readFile @11 :FileRead;          # `fileData`
    guestControl @12 :GuestControl;
    guestConfig @13 :UInt16;         # domid; `config`: as createGuest had it, with the name of today
    repairService @14 :Text;         # as killService; the next life leaves out what is damaged of its journal
  }
}

struct ServiceQuery {
  capabilities @0 :Bool;             # `ps -c`
  name @1 :Text;                     # empty: all
}

struct FileRead {
  path @0 :Text;                     # 1..1023 bytes
  offset @1 :UInt64;                 # bytes
  maxBytes @2 :UInt32;               # 1..4096
}

struct GuestControl {
  domid @0 :UInt16;                  # 1..0x7fef
  union {
    pause @1 :Void;
    unpause @2 :Void;
    shutdown @3 :Guest.ShutdownReason;  # from outside, without asking the guest
    rename @4 :Text;                 # 1..64 bytes, no other guest's
    attachDisk @5 :Guest.Disk;       # `done` when the guest can see it; until the guest's end, over its reboots
    detachDisk @6 :Guest.DiskDetach; # `done` when its memory is free again
    setVcpus @7 :UInt8;              # how many shall be on line, 1..maxVcpus; asks the guest
    setAffinity @8 :Guest.Affinity;  # init chooses the CPU
    setSchedule @9 :Guest.Schedule;
  }
}

# init to xl.
struct ToolstackReply {
  id @0 :UInt32;                     # of the request, or 0
  last @1 :Bool = true;
  union {
    done @2 :Void;
    failed @3 :Failure;
    created @4 :UInt16;              # domid
    guests @5 :List(Guest.GuestState);      # up to 4 in a message
    services @6 :List(ServiceState);        # up to 8 in a message, with capabilities 1
    host @7 :HostState;
    files @8 :List(FileEntry);       # up to 16 in a message
    fileData @9 :FileData;
    guestEvent @10 :GuestEvent;      # unasked, id 0
    config @11 :Guest.GuestConfig;
  }
}

struct Failure {
  code @0 :FailureCode;
  reason @1 :Text;                   # a sentence for the user, 1..300 bytes
}

enum FailureCode {
  notFound @0;
  alreadyExists @1;
  noMemory @2;
  invalid @3;       # a value out of range
  unsupported @4;
  failed @5;        # the reason says what
  foreignJournal @6;  # of fs only: a file system whose journal somebody else left; `replay` takes it
}

struct ServiceState {
  name @0 :Text;                     # 1..23 bytes; of a VMM "vmm.N" with its guest's domid
  state @1 :ServicePhase;
  generation @2 :UInt32;             # 1 for the first start
  memoryKib @3 :UInt64;              # KiB, with what the kernel keeps for it
  cpuTimeNs @4 :UInt64;              # nanoseconds, of all generations
  cpu @5 :UInt8;                     # 0..7
  priority @6 :UInt8;                # 0..31
  capabilities @7 :List(HeldCapability);  # only if asked for; at most 80 in a message
}

enum ServicePhase {
  starting @0;     # not ready yet
  running @1;
  waiting @2;      # for its next restart
  stopped @3;      # for good
}

struct HeldCapability {
  index @0 :UInt32;                  # 1..1023
  type @1 :UInt8;                    # ObjectType of the kernel's interface
  rights @2 :UInt8;                  # its rights' bits
  badge @3 :UInt64;                  # 0: none
  object @4 :Text;                   # what it is, up to 40 bytes; empty: something the service made
}

struct HostState {
  machine @0 :Text;                  # the device tree's `model`
  cpus @1 :UInt8;                    # that run
  counterHz @2 :UInt64;              # Hz
  totalKib @3 :UInt64;               # KiB of RAM
  freeKib @4 :UInt64;                # KiB that a new guest can have
  freeCpus @5 :UInt8;                # without a vCPU
  uptimeNs @6 :UInt64;               # nanoseconds since power-on
  midr @7 :UInt64;                   # MIDR_EL1 of CPU 0
  unusedKib @8 :UInt64;              # KiB of RAM that nobody has, to the page
}

struct FileEntry {
  name @0 :Text;                     # 1..255 bytes, no slash
  bytes @1 :UInt64;
  isDirectory @2 :Bool;
  number @3 :UInt32;                 # of fs's only, else 0: another number, another file, whatever the name
}

struct FileData {
  offset @0 :UInt64;
  data @1 :Data;                     # up to 4096 bytes; empty: the end
  fileBytes @2 :UInt64;              # of the whole file
}

struct GuestEvent {
  domid @0 :UInt16;
  union {
    booted @1 :UInt32;               # boot number, from 0
    stopped @2 :UInt32;              # the reason as the guest gave it
    destroyed @3 :Void;
  }
}
