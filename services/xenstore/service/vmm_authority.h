// SPDX-License-Identifier: Apache-2.0
//
// What a guest's VMM may ask of XenStore. It acts as the toolstack for that guest's own paths, so
// neither permissions nor quotas bind its connection; this does instead. A VMM that its guest has
// taken over can harm that guest's tree, and fill no more than the limits below.
#pragma once

#include <cstddef>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "proto/domids.h"
#include "services/xenstore/wire.h"

namespace pyrene::xenstore {

// Where back-ends' directories for their guests lie. A VMM plays the back-end of its own guest's
// disks in XenStore.
static_assert(proto::kConsoleDomid == 32750 && proto::kBlkbackDomid == 32749);
inline constexpr char kConsoleBackend[] = "/local/domain/32750/backend/console";
inline constexpr char kVbdBackend[] = "/local/domain/32749/backend/vbd";

class VmmAuthority {
 public:
  // A guest with 8 vCPUs, a console and a few devices has under 200.
  static constexpr size_t kMaxNodes = 512;
  static constexpr size_t kMaxPath = 256;   // bytes
  static constexpr size_t kMaxValue = 256;  // bytes
  static constexpr size_t kMaxTransactions = 2;
  static constexpr size_t kMaxWatches = 16;

  // `exists`: whether there is such a node.
  VmmAuthority(DomId guest, std::function<bool(const std::string&)> exists);

  // After a restart of the store: what a former life's had. `nodes` are those that are there, but
  // for the guest's own.
  void Adopt(std::string vm, std::set<std::string> nodes) {
    vm_ = std::move(vm);
    nodes_ = std::move(nodes);
  }
  // Its directory below /vm; empty: none yet.
  const std::string& vm() const { return vm_; }

  // Each: kOk, kAccess, or what a quota answers.
  Error MayRead(const std::string& path);
  Error MayMake(const std::string& path, size_t value_bytes);
  Error MaySetPermissions(const std::string& path);
  Error MayRemove(const std::string& path, bool in_transaction);
  Error MayStartTransaction();
  Error MayWatch(const std::string& path);
  bool MayName(DomId domid) const { return domid == guest_; }

  // The tops of all that is this guest's alone: what goes when the guest is gone for good.
  std::vector<std::string> Trees() const;

  // A transaction has ended, or all of them with the connection.
  void TransactionEnded();
  void ConnectionEnded() { transactions_ = watches_ = 0; }

  // Directories that guests share. They stand from the beginning, and libxl's list of a guest's
  // nodes names them: a VMM's write to one is answered as done, and changes nothing.
  static bool IsShared(std::string_view path);

 private:
  bool Owns(const std::string& path);

  const DomId guest_;
  const std::function<bool(const std::string&)> exists_;
  std::string vm_;               // its directory below /vm; empty: none yet
  std::set<std::string> nodes_;  // made, and not removed outside of any transaction
  size_t transactions_ = 0;
  size_t watches_ = 0;  // set in this connection
};

}  // namespace pyrene::xenstore
