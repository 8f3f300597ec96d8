// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/wire.h"

#include <bit>
#include <cstring>

namespace pyrene::xenstore {

static_assert(std::endian::native == std::endian::little, "headers are copied as they are");
static_assert(sizeof(Header) == kHeaderSize);

std::string_view ErrorName(Error error) {
  static constexpr std::string_view kNames[] = {"OK",     "EINVAL", "EACCES", "EPERM",
                                                "EEXIST", "ENOENT", "ENOSPC", "EIO",
                                                "ENOSYS", "EBUSY",  "EAGAIN", "E2BIG"};
  return kNames[static_cast<size_t>(error)];
}

Header Header::Decode(const uint8_t bytes[kHeaderSize]) {
  Header header;
  std::memcpy(&header, bytes, kHeaderSize);
  return header;
}

std::string EncodeMessage(const Header& header, std::string_view payload) {
  std::string wire;
  wire.reserve(kHeaderSize + payload.size());
  wire.append(reinterpret_cast<const char*>(&header), kHeaderSize);
  wire.append(payload);
  return wire;
}

}  // namespace pyrene::xenstore
