// SPDX-License-Identifier: Apache-2.0
//
// What a system call answers. Zero is success, every error is negative, so that a caller tests one
// sign.
#pragma once

#include <cstdint>

namespace pyrene {

enum class [[nodiscard]] Status : int64_t{
    kOk = 0,
    kBadCall = -1,        // no such system call
    kBadCap = -2,         // the index names no capability
    kBadType = -3,        // the capability names an object of another type
    kNoRight = -4,        // the capability lacks a right that the operation needs
    kBadArgument = -5,    // a value is out of range or not aligned
    kNoMemory = -6,       // the paying domain's quota is used up
    kBusy = -7,           // somebody else is in the middle of it (second vcpu_run, second waiter)
    kOccupied = -8,       // the capability slot or the address range is in use
    kTimeout = -9,        // the deadline passed
    kGone = -10,          // the object or the peer was destroyed meanwhile
    kNoVmid = -11,        // all VMIDs are taken by live domains
    kNotSupported = -12,  // this machine cannot do it (no firmware, no such interrupt line)
    kFault = -13,         // translate: the guest's page tables refuse the access
};

}  // namespace pyrene
