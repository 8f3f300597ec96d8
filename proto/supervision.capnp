# SPDX-License-Identifier: Apache-2.0
#
# Between each service (client) and init (server): channel "init". Init trusts no service: what a service says concerns that service alone.
@0xce07411c34fdabad;

using Cxx = import "/capnp/c++.capnp";
using Guest = import "/proto/guest.capnp";
$Cxx.namespace("pyrene::proto");

# Service to init.
struct SupervisionRequest {
  union {
    ready @0 :Void;                # the service has adopted its state and serves; once per generation
    pong @1 :UInt64;               # the number of the ping that is answered
    failed @2 :Text;               # it can not go on and ends now; 1..200 bytes, for the log
    channelTaken @3 :Text;         # an offered channel is mapped: its peer may be told
    channelClosed @4 :Text;        # the service has forgotten an offered channel and deleted its capabilities
    connect @5 :Connect;           # asks for a channel with another service: the name service
  }
}

struct Connect {
  service @0 :Text;    # 1..23 bytes; that service decides, by its schema, whether it wants such clients
  schemaId @1 :UInt64; # of the root message from client to server
  ringBytes @2 :UInt32;  # bytes, a power of two, 1024..65536
  poolKib @3 :UInt32;  # KiB, 0..1024, out of the asking service's share
}

# Init to service.
struct SupervisionEvent {
  union {
    ping @0 :UInt64;               # to be answered within the manifest's heartbeatMs
    channelOffered @1 :ChannelOffer;
    channelRevoked @2 :Text;       # the peer is gone for good; answered by channelClosed
    connectRefused @3 :Refusal;
    stop @4 :Void;                 # end in order; init destroys the domain after one heartbeat
    clockSet @5 :Void;             # the start page has a new realtime offset
    offersTold @6 :Void;           # all channels that stood when this life began have been offered; once per generation
  }
}

# A channel that was made at run time: init has put its capabilities into the receiver's table.
struct ChannelOffer {
  name @0 :Text;          # 1..18 bytes, unique within the receiver
  peer @1 :Text;          # the service at the other end
  peerDomid @2 :UInt16;   # of a VMM: its guest's, 1..0x7fef; of a back-end its own; else 0
  schemaId @3 :UInt64;
  isServer @4 :Bool;      # the receiver's side
  memory @5 :UInt32;      # capability index, kFirstOfferedCap..1023
  wakePeer @6 :UInt32;    # likewise
  bit @7 :UInt8;          # 0..63, of the receiver's `events`: what the peer signals; several channels may share one
  disk @8 :Guest.Disk;    # channels between blkback and VMMs, and pieces of RAM disks: which disk; else null
}

struct Refusal {
  service @0 :Text;
  reason @1 :Text;        # up to 200 bytes
}
