// SPDX-License-Identifier: Apache-2.0
//
// Which bits of a service's `events` notification init hands out, and the argument that it adds.
// The bits below kFirstInitBit belong to the manifest's channels and to the service itself. A
// service learns each bit by the capability's value or the offer's `bit`; only init and the
// manifest's check use these constants.
#pragma once

namespace pyrene::init {

inline constexpr unsigned kFirstInitBit = 16;

// Offers to console, xenstore and blkback, by the guest's slot: the PV ring and the message
// channel.
constexpr unsigned PvRingBit(unsigned slot) { return 16 + slot % 24; }
constexpr unsigned GuestChannelBit(unsigned slot) { return 40 + slot % 16; }

// Tells a service to leave out what is damaged of its journal. The manifest's check keeps room for
// it.
inline constexpr char kRepairArgument[] = "--repair";
// The exit status (EX_DATAERR of sysexits.h) of a service whose journal is damaged: it is not
// started again before the operator's `repair`.
inline constexpr int kExitNeedsRepair = 65;

// Of a VMM's events.
inline constexpr unsigned kVmmDiskBit = 55;  // all its channels with blkback
inline constexpr unsigned kVmmControlBit = 56;
inline constexpr unsigned kVmmConsoleBit = 57;
inline constexpr unsigned kVmmXenstoreBit = 58;
inline constexpr unsigned kVmmPvConsoleBit = 59;
inline constexpr unsigned kVmmPvXenstoreBit = 60;

inline constexpr unsigned kConnectBit = 61;      // channels made by the name service
inline constexpr unsigned kLogBit = 62;          // console: text in any log ring
inline constexpr unsigned kSupervisionBit = 63;  // the channel `init`

}  // namespace pyrene::init
