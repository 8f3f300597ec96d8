// SPDX-License-Identifier: Apache-2.0
//
// One request while it is executed, and the table of operations. Private to the server's source
// files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "services/xenstore/server.h"

namespace pyrene::xenstore {

// The NUL-terminated strings that make up all of a payload; none if its last byte is not NUL.
std::vector<std::string_view> SplitStrings(std::string_view payload);

// A reply that is one string.
inline std::string TextReply(std::string text) { return std::move(text) + '\0'; }

struct Server::Request {
  Connection* connection = nullptr;
  Caller caller;
  const Quota* quota = nullptr;
  uint64_t room = 0;                   // of a privileged caller: bytes
  uint32_t transaction_id = 0;         // as in the header
  Transaction* transaction = nullptr;  // null if none, or if the operation takes none
  std::string path;                    // for operations that begin with one; absolute or special
  uint32_t relative_length = 0;        // of the path as it was sent, if that was relative; else 0
  DomId domid = kNobody;               // for operations that begin with one
  std::string_view rest;               // the payload behind path or domid
  std::string reply = std::string("OK\0", 3);

  View MakeView(Store* store) {
    return View(store, transaction, caller, *quota, room, connection->id);
  }
};

struct Server::Operation {
  enum Flags : uint8_t {
    kNone = 0,
    kPrivileged = 1,
    kNoTransaction = 2,  // its transaction id is ignored
    kPath = 4,           // the payload begins with a path,
    kSpecial = 8,        // which may be a special one
    kDomId = 16,         // the payload begins with a domid
    kAlone = 32,         // and nothing follows
  };

  Error (Server::*handler)(Request&) = nullptr;
  uint8_t flags = kNone;
};

}  // namespace pyrene::xenstore
