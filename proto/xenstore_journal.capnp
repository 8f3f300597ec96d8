# SPDX-License-Identifier: Apache-2.0
#
# The records of XenStore's journal (services/journal/log.h): what xenstore says to its own next life. Nobody else writes them, but the Memory
# may be damaged, and a record of an older xenstore must be understood: a reader checks every field.
#
# A snapshot comes first, from `generation` on; what follows are changes, in order. Paths are absolute, or the two special ones, and valid.
@0xb6a0d1c6b0a1f7e3;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

struct XenstoreRecord {
  union {
    # Of a snapshot only.
    generation @0 :UInt64;            # the count of changes; the first record
    snapshotNode @1 :SnapshotNode;    # each node, parents first, children in the order of their creation
    connection @2 :Connection;        # its last transaction, and what else its opening does not say

    nodeSet @3 :Node;                 # created, with the missing ones above it (empty, with the same permissions), or changed
    nodeRemoved @4 :Text;             # with all below it
    specialPermissions @5 :Node;      # of @introduceDomain or @releaseDomain; no value
    connectionOpened @6 :Connection;
    connectionClosed @7 :UInt32;      # its watches, transactions and output went with it
    connectionReset @8 :UInt32;       # its watches, transactions and output went, it stays
    watchAdded @9 :JournalWatch;
    watchRemoved @10 :JournalWatch;   # connection, path and token
    watchMerged @11 :JournalWatch;    # connection, path, token and `merged`
    transactionStarted @12 :OpenTransaction;
    transactionEnded @13 :OpenTransaction;
    outputQueued @14 :Output;         # at the end
    outputTaken @15 :Taken;           # from the front
    ring @16 :RingPosition;
    domainSet @17 :JournalDomain;     # introduced, or changed
    domainReleased @18 :UInt16;       # domid
    vmmDirectory @19 :VmmDirectory;
  }
}

struct SnapshotNode {
  depth @0 :UInt16;          # 0: the root; at most one more than the record before
  name @1 :Text;             # last component; empty for the root
  value @2 :Data;            # up to 4096 bytes
  permissions @3 :List(UInt32);  # access << 16 | domid; 1..64
}

struct Node {
  path @0 :Text;             # up to 3072 bytes
  value @1 :Data;            # up to 4096 bytes
  permissions @2 :List(UInt32);  # as SnapshotNode has them
}

struct Connection {
  id @0 :UInt32;             # not 0, never the same again
  domid @1 :UInt16;
  privileged @2 :Bool;
  ring @3 :Bool;
  lastTransaction @4 :UInt32;
}

struct JournalWatch {
  connection @0 :UInt32;
  path @1 :Text;
  token @2 :Text;            # up to 1022 bytes
  depth @3 :UInt32;          # levels below; 2^32-1: all
  homeLength @4 :UInt32;     # bytes of `path` that an event leaves out
  merged @5 :Bool;           # an event is owed
}

struct OpenTransaction {
  connection @0 :UInt32;
  id @1 :UInt32;             # not 0
}

struct Output {
  connection @0 :UInt32;
  wire @1 :Data;             # a whole message of the XenStore protocol, 16..4112 bytes
}

struct Taken {
  connection @0 :UInt32;
  messages @1 :UInt32;       # at least 1
}

struct RingPosition {
  connection @0 :UInt32;
  requestConsumer @1 :UInt32;  # bytes, free-running, as in the ring's page
  replyProducer @2 :UInt32;
  outputOffset @3 :UInt32;     # bytes of the front of the output that are in the ring
  error @4 :UInt32;            # of the page's error field
  input @5 :Data;              # the beginning of a request, up to 4112 bytes
}

struct JournalDomain {
  domid @0 :UInt16;          # 1..0x7fef
  shutDown @1 :Bool;
  gfn @2 :UInt64;
  port @3 :UInt32;
  target @4 :UInt16;
  connection @5 :UInt32;
}

# The directory below /vm that a guest's VMM made (docs/decisions/vmm-authority.md).
struct VmmDirectory {
  domid @0 :UInt16;
  path @1 :Text;
}
