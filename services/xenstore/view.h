// SPDX-License-Identifier: Apache-2.0
//
// The tree as one caller sees it in one request: the committed one, or that of a transaction. Here
// permissions are checked, missing nodes are hidden from those who may not know of them, quotas are
// applied, and a transaction learns what it touches.
#pragma once

#include <string_view>

#include "services/xenstore/quota.h"
#include "services/xenstore/store.h"
#include "services/xenstore/transaction.h"

namespace pyrene::xenstore {

class View {
 public:
  // `transaction` may be null. All outlive the view; `quota` is that of the caller's domain, `room`
  // what counts instead for a privileged one: bytes.
  View(Store* store, Transaction* transaction, const Caller& caller, const Quota& quota,
       uint64_t room, ConnectionId writer);

  // Finds `path` for a caller who needs all of `need`, and notes the touch. kNoEntry if it does not
  // exist and the caller has such access to the nearest ancestor that does; kAccess if not, or if
  // the access is missing.
  Error Open(std::string_view path, Access need, Touch touch, const Node** node);

  Error Write(std::string_view path, std::string_view value);
  Error MakeDirectory(std::string_view path);
  Error Remove(std::string_view path);
  Error SetPerms(std::string_view path, const Perms& perms);

 private:
  const Tree& tree() const { return transaction_ != nullptr ? transaction_->tree : store_->tree(); }
  Error Note(std::string_view path, Touch touch);
  // Whether the caller's account has room for `bytes` more.
  Error CheckMemory(uint64_t bytes) const;
  Error CheckNodeSize(std::string_view value, const Perms& perms) const;
  Error Create(std::string_view path, std::string_view value);

  Store* store_;
  Transaction* transaction_;
  const Caller& caller_;
  const Quota& quota_;
  uint64_t room_;
  ConnectionId writer_;
};

}  // namespace pyrene::xenstore
