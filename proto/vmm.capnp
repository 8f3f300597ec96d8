# SPDX-License-Identifier: Apache-2.0
#
# VMM control: between init (client), which holds the guest's configuration, or the toolstack (client), and the VMM of one guest (server).
# The VMM carries on_poweroff, on_reboot and on_crash out by itself and only reports.
@0xccfb2a16ff618944;

using Cxx = import "/capnp/c++.capnp";
using Guest = import "/proto/guest.capnp";
$Cxx.namespace("pyrene::proto");

# Client to VMM. Each is answered by one VmmEvent with the same id.
struct VmmRequest {
  id @0 :UInt32;                   # not 0
  union {
    start @1 :Start;               # init only, once in the VMM's life
    pause @2 :Void;
    unpause @3 :Void;
    getState @4 :Void;             # answered by `state`
    shutdown @5 :Guest.ShutdownReason;  # stops the guest as if it had asked: reboot and crash from outside
    setAffinity @6 :Guest.Affinity;
    rename @7 :Text;               # 1..64 bytes
    setVcpus @8 :UInt8;            # how many shall be on line, 1..maxVcpus; asks the guest
    detachDisk @9 :Guest.DiskDetach;  # `done` when nothing of the disk is left in the VMM and in XenStore
    setSchedule @10 :Guest.Schedule;
  }
}

struct Start {
  domid @0 :UInt16;                # 1..0x7fef
  config @1 :Guest.GuestConfig;
  ram @2 :List(UInt32);            # capability indices of the guest's RAM, 1..8, in the order of guest-physical addresses
  guestDomain @3 :UInt32;          # capability index of the guest's Domain
  seed @4 :Data;                   # 64 bytes for the guest's rng-seed
  kernel @5 :FileRange;
  ramdisk @6 :FileRange;           # bytes 0: none
  placement @7 :List(UInt8);       # the CPU for each vCPU, maxVcpus of them: init chose the least loaded that `cpus` allows
}

struct FileRange {
  offset @0 :UInt64;               # bytes
  bytes @1 :UInt64;
  inFiles @2 :Bool;                # within the Memory that capability "files" names: what init read from the disk; else "bundle"
}

# VMM to client.
struct VmmEvent {
  id @0 :UInt32;                   # of the request that is answered, or 0
  union {
    done @1 :Void;
    failed @2 :Text;               # why not, 1..200 bytes; of `start`: the guest does not run
    state @3 :Guest.GuestState;
    booted @4 :UInt32;             # unasked: the guest's first instruction of its boot number N (from 0) was run
    stopped @5 :Stopped;           # unasked: the guest stopped
  }
}

struct Stopped {
  reason @0 :UInt32;               # what the guest said: any number; those above 5 are treated as crash
  action @1 :Guest.Action;         # what the VMM does about it; destroy and preserve are left to the client
}
