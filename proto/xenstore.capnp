# SPDX-License-Identifier: Apache-2.0
#
# Between xenstore (server) and the services that use it: the operations of the XenStore wire protocol as messages. The caller is who the
# channel says it is (a back-end's domid, or the toolstack, who is privileged); no field names him.
#
# Paths are absolute, 1..3072 bytes, or relative to the caller's home, 1..2048 bytes; without NUL. Names, permissions, limits and errors are
# the protocol's.
@0xfe0abcd7697002b1;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

# Client to xenstore. Each is answered by one XenstoreReply, in order.
struct XenstoreRequest {
  id @0 :UInt32;            # the client's; comes back
  transaction @1 :UInt32;   # 0: none; else from transactionStart; ignored where the protocol does
  union {
    directory @2 :Text;               # value: names, each ended by NUL
    directoryPart @3 :DirectoryPart;  # value: as the protocol has it
    read @4 :Text;                    # value: the node's
    write @5 :Write;
    mkdir @6 :Text;
    remove @7 :Text;
    getPermissions @8 :Text;          # value: "n0", "r5" and so on, each ended by NUL
    setPermissions @9 :SetPermissions;
    watch @10 :Watch;
    unwatch @11 :Watch;
    resetWatches @12 :Void;
    transactionStart @13 :Void;       # value: the number in decimal
    transactionEnd @14 :Bool;         # true: commit
    getDomainPath @15 :UInt16;        # domid; value: "/local/domain/N"
    isDomainIntroduced @16 :UInt16;   # domid; value: "T" or "F"

    # Privileged: init and the toolstack.
    introduce @17 :Introduce;
    release @18 :UInt16;              # domid: it is gone, with all that it owned
    shutDown @19 :UInt16;             # domid: it stopped by itself; watchers of @releaseDomain are told
    setTarget @20 :SetTarget;
    control @21 :Text;                # as xenstore-control; value: its answer
  }
}

struct DirectoryPart {
  path @0 :Text;
  offset @1 :UInt32;        # bytes into the list of names
}

struct Write {
  path @0 :Text;
  value @1 :Data;           # up to 4096 bytes less the path's
}

struct SetPermissions {
  path @0 :Text;
  permissions @1 :List(Text);  # the owner's first: a letter of n r w b, and a domid in decimal; 1..16
}

struct Watch {
  path @0 :Text;            # also "@introduceDomain", "@releaseDomain"
  token @1 :Text;           # up to 1022 bytes
}

struct Introduce {
  domid @0 :UInt16;         # 1..0x7fef
  gfn @1 :UInt64;           # of the guest's XenStore ring
  port @2 :UInt32;          # the guest's event channel port, 1..4095
}

struct SetTarget {
  domid @0 :UInt16;
  target @1 :UInt16;
}

# xenstore to client.
struct XenstoreReply {
  union {
    done @0 :Done;
    event @1 :WatchEvent;
  }
}

struct Done {
  id @0 :UInt32;            # of the request
  error @1 :XenstoreError;
  value @2 :Data;           # up to 4096 bytes; empty unless the request says what it is
}

struct WatchEvent {
  path @0 :Text;            # what changed, as the watch was set (absolute or relative); up to 3072 bytes
  token @1 :Text;
}

# The protocol's errors; the numbers are ours, in the order of services/xenstore/wire.h.
enum XenstoreError {
  ok @0;
  invalid @1;      # EINVAL
  access @2;       # EACCES
  permission @3;   # EPERM
  exists @4;       # EEXIST
  noEntry @5;      # ENOENT
  noSpace @6;      # ENOSPC
  io @7;           # EIO
  noSys @8;        # ENOSYS
  busy @9;         # EBUSY
  again @10;       # EAGAIN
  tooBig @11;      # E2BIG
}
