# SPDX-License-Identifier: Apache-2.0
#
# A guest's configuration and state, as toolstack, init and VMM tell each other. Ranges are checked by each receiver.
@0xb48f16ee21456da1;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

struct GuestConfig {
  name @0 :Text;             # 1..64 bytes, as xl allows
  uuid @1 :Data;             # 16 bytes
  kernel @2 :Text;           # file, 1..1023 bytes
  ramdisk @3 :Text;          # file, up to 1023 bytes; empty: none
  commandLine @4 :Text;      # up to 2047 bytes
  memoryKib @5 :UInt64;      # KiB at start, a multiple of 1024
  maxMemoryKib @6 :UInt64;   # KiB, at least memoryKib, at most 3 GiB + 504 GiB
  vcpus @7 :UInt8;           # on line at start, 1..maxVcpus
  maxVcpus @8 :UInt8;        # 1..8
  cpus @9 :List(UInt64);     # per vCPU the allowed CPUs as bits; one that is missing: all
  weight @10 :UInt16 = 256;  # of a time slice, 1..65535
  capPercent @11 :UInt32;    # as Schedule.capPercent
  onPoweroff @12 :Action = destroy;
  onReboot @13 :Action = restart;
  onCrash @14 :Action = destroy;
  onWatchdog @15 :Action = destroy;
  onSoftReset @16 :Action = softReset;
  startPaused @17 :Bool;
  source @18 :Text;          # the cfg file's name, up to 1023 bytes, for `xl list -l`
  cpusSoft @19 :List(UInt64);  # as `cpus`: the CPUs that are preferred
  disks @20 :List(Disk);     # up to 4, no number twice; what was attached later is there, too
}

# A virtual disk: what xl's specification said, and where its content is.
struct Disk {
  vdev @0 :Text;             # 1..16 bytes, as given: "xvda"
  number @1 :UInt32;         # of that name: the directory in XenStore
  readOnly @2 :Bool;
  removable @3 :Bool;
  directIoSafe @4 :Bool;
  trusted @5 :Bool = true;
  discard @6 :Bool = true;   # where the disk has it
  target @7 :Text;           # as given, up to 127 bytes: "64M", "/dev/vda", "/sd/root.img"
  union {
    ram @8 :UInt64;          # bytes, a multiple of 4096: zeroes at the guest's creation, its own until its end
    phy @9 :Void;            # a block device or a partition, which `target` names
    file @10 :Text;          # of the disk's file system, as fs knows it, 1..1023 bytes
  }
}

# Where a vCPU may run.
struct Affinity {
  vcpu @0 :UInt8;            # 0..maxVcpus-1
  hard @1 :UInt64;           # CPUs as bits, at least one of the machine's
  soft @2 :UInt64;           # of those, the preferred ones
  cpu @3 :UInt8;             # init to VMM only: where it runs from now on, one of `hard`
}

struct Schedule {
  weight @0 :UInt16 = 256;   # of a time slice, 1..65535
  capPercent @1 :UInt32;     # of one CPU, all vCPUs together, up to 100 * maxVcpus; 0: no limit
}

struct DiskDetach {
  number @0 :UInt32;         # Disk.number
  force @1 :Bool;            # whatever the guest says; else `failed` when it has not let go of the disk after 10 s
}

enum Action {
  destroy @0;
  restart @1;
  renameRestart @2;
  preserve @3;
  coredumpDestroy @4;
  coredumpRestart @5;
  softReset @6;
}

# Why a guest stopped: SHUTDOWN_* of Xen's public sched.h, in its order.
enum ShutdownReason {
  poweroff @0;
  reboot @1;
  suspend @2;
  crash @3;
  watchdog @4;
  softReset @5;
}

struct GuestState {
  domid @0 :UInt16;          # 1..0x7fef
  name @1 :Text;             # 1..64 bytes
  uuid @2 :Data;             # 16 bytes
  memoryKib @3 :UInt64;      # KiB that the guest has
  maxMemoryKib @4 :UInt64;   # KiB
  paused @5 :Bool;
  dying @6 :Bool;            # being destroyed
  shutdown @7 :Bool;         # stopped by itself, kept by `preserve`
  shutdownReason @8 :UInt32; # what the guest said, any number; valid if `shutdown`
  startTime @9 :Int64;       # seconds since 1970
  reboots @10 :UInt32;       # since its creation
  vcpus @11 :List(VcpuState);
}

struct VcpuState {
  cpu @0 :UInt8;             # where it runs or ran last, 0..7
  online @1 :Bool;
  running @2 :Bool;          # at this moment
  blocked @3 :Bool;          # waits for an event
  cpuTimeNs @4 :UInt64;      # nanoseconds, its VMM's work for it included
  hardAffinity @5 :UInt64;   # CPUs as bits
  softAffinity @6 :UInt64;
}
