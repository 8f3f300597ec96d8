// SPDX-License-Identifier: Apache-2.0
//
// The XenStore wire protocol (ABI 5.2): message types, header, limits and error names. The same
// numbers and payloads are used by services, whose requests come as typed messages instead of bytes
// in a ring.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pyrene::xenstore {

// A domain number as the protocol knows it: guests 1 and up, back-ends 0x7fef and down, 0 nobody.
using DomId = uint16_t;
inline constexpr DomId kNobody =
    0;  // owner of what the toolstack creates; never a connection's domid
inline constexpr DomId kFirstReserved =
    0x7ff0;  // ids from here up name no domain (Xen's public header)

// Names a connection for as long as the store lives; never reused.
using ConnectionId = uint32_t;
inline constexpr ConnectionId kNoConnection = 0;

inline constexpr uint32_t kHeaderSize = 16;
inline constexpr uint32_t kMaxPayload = 4096;       // more in a header ends the connection
inline constexpr uint32_t kMaxAbsolutePath = 3072;  // without the NUL
inline constexpr uint32_t kMaxRelativePath = 2048;
// A watch event is "path|token|" in one payload, so the longest path must leave room for every
// token accepted.
inline constexpr uint32_t kMaxToken = kMaxPayload - kMaxAbsolutePath - 2;

// Numbered from 0 as listed. kRestrict has been withdrawn from the protocol.
// clang-format off
enum class MessageType : uint32_t {
  kControl, kDirectory, kRead, kGetPerms, kWatch, kUnwatch, kTransactionStart, kTransactionEnd, kIntroduce, kRelease,
  kGetDomainPath, kWrite, kMkdir, kRm, kSetPerms, kWatchEvent, kError, kIsDomainIntroduced, kResume, kSetTarget,
  kRestrict, kResetWatches, kDirectoryPart, kGetFeature, kSetFeature, kGetQuota, kSetQuota,
};
// clang-format on
inline constexpr uint32_t kMessageTypes = 27;

// The errors of the protocol; kOk is not sent.
// clang-format off
enum class [[nodiscard]] Error : uint8_t {
  kOk, kInvalid, kAccess, kPermission, kExists, kNoEntry, kNoSpace, kIo, kNoSys, kBusy, kAgain, kTooBig,
};
// clang-format on

// "EINVAL" and so on, as Linux understands them.
std::string_view ErrorName(Error error);

// The fixed part of every message; little-endian on the wire.
struct Header {
  uint32_t type = 0;
  uint32_t request_id = 0;
  uint32_t transaction_id = 0;
  uint32_t length = 0;  // of the payload

  static Header Decode(const uint8_t bytes[kHeaderSize]);
};

// A whole message as it goes into a ring.
std::string EncodeMessage(const Header& header, std::string_view payload);

// The answer to one request: the payload of a reply of the request's type, or of type kError
// ("EINVAL|" ...).
struct Reply {
  Error error = Error::kOk;
  std::string payload;
};

}  // namespace pyrene::xenstore
