# SPDX-License-Identifier: Apache-2.0
#
# Between console (server) and its clients: VMMs, whose guests have a PV console, and xl, which has the terminal. Data travels in messages
# of at most 4,096 bytes; a sender that finds the ring full keeps its data.
@0x83b40bf258ea864a;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("pyrene::proto");

struct ConsoleRequest {
  id @0 :UInt32;                    # comes back in the answer; for what `taken` answers, 0: no answer is wanted
  union {
    # VMM only, about its own guest, whose domid is the channel's (ChannelOffer.peerDomid).
    guestText @1 :Data;             # what the guest wrote by console_io: 1..4096 bytes
    guestStarted @2 :GuestConsole;  # a boot begins: its PV console ring is zeroed
    guestStopped @3 :Void;          # no vCPU runs; after `taken` the ring is not touched until guestStarted

    # xl only.
    terminalWrite @4 :Data;         # to the serial line: 1..4096 bytes; "\n" becomes "\r\n"
    attach @5 :UInt16;              # gives the line to this guest's console, a domid, until Ctrl-] or `detached`
    detach @6 :Void;
    readLog @7 :LogRead;            # answered by `log`
    clearLog @8 :Void;              # `xl dmesg -c`: later reads begin here
    flush @9 :Void;                 # answered by `flushed` when all that was written before has left the UART
    inputTaken @10 :Void;           # xl has the `input` with this id; sent before xl acts on it
  }
}

struct GuestConsole {
  port @0 :UInt32;                  # event channel port of the guest's console, 1..4095
}

struct LogRead {
  position @0 :UInt64;              # bytes since the system's start; 0: from the oldest kept
  maxBytes @1 :UInt32;              # 1..4096
}

struct ConsoleEvent {
  id @0 :UInt32;                    # of the request that is answered, or 0; of `input` its own
  union {
    # To xl: what was typed while no guest is attached; 1..4096 bytes. The next one is sent after inputTaken; without it, xl's next
    # life gets this one again.
    input @1 :Data;
    # To xl, whose line it is: after each change, and, with id 0, as the first event of each connection.
    attached @2 :UInt16;            # this guest's
    detached @3 :DetachReason;      # xl's; at the begin of a connection the reason is `requested`
    log @4 :LogPart;
    flushed @5 :Void;
    failed @6 :Text;                # the request was refused; up to 200 bytes

    # To guestText, guestStarted, guestStopped and terminalWrite, for all up to this id: what they said survives console's death from
    # now on. Who keeps his text until then, and sends it again when a new connection comes up, loses nothing when console dies.
    taken @7 :Void;
  }
}

enum DetachReason {
  escape @0;       # Ctrl-]
  guestGone @1;
  requested @2;
}

struct LogPart {
  position @0 :UInt64;              # of the first byte here; later than asked for if older text was dropped
  text @1 :Data;                    # up to 4096 bytes; empty: nothing newer
}
