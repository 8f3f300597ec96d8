// SPDX-License-Identifier: Apache-2.0
#include "services/xenstore/service/vmm_authority.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace pyrene::xenstore {
namespace {

constexpr char kVm[] = "/vm/";

bool Below(const std::string& path, const std::string& top) {
  return path.starts_with(top) && (path.size() == top.size() || path[top.size()] == '/');
}

}  // namespace

VmmAuthority::VmmAuthority(DomId guest, std::function<bool(const std::string&)> exists)
    : guest_(guest), exists_(std::move(exists)) {}

bool VmmAuthority::IsShared(std::string_view path) {
  return path == kConsoleBackend || path == kVbdBackend;
}

bool VmmAuthority::Owns(const std::string& path) {
  if (path.size() > kMaxPath) return false;
  for (const std::string& top : Trees()) {
    if (Below(path, top)) return true;
  }
  if (!path.starts_with(kVm)) return false;
  std::string vm = path.substr(0, path.find('/', sizeof(kVm) - 1));
  if (vm.size() < sizeof(kVm)) return false;
  if (vm_.empty() && !exists_(vm)) vm_ = std::move(vm);  // a new one, never another guest's
  return !vm_.empty() && Below(path, vm_);
}

std::vector<std::string> VmmAuthority::Trees() const {
  std::vector<std::string> trees = {
      absl::StrCat("/local/domain/", guest_), absl::StrCat("/libxl/", guest_),
      absl::StrCat(kConsoleBackend, "/", guest_), absl::StrCat(kVbdBackend, "/", guest_)};
  if (!vm_.empty()) trees.push_back(vm_);
  return trees;
}

Error VmmAuthority::MayRead(const std::string& path) {
  return Owns(path) ? Error::kOk : Error::kAccess;
}

Error VmmAuthority::MayMake(const std::string& path, size_t value_bytes) {
  if (!Owns(path)) return Error::kAccess;
  if (value_bytes > kMaxValue) return Error::kNoSpace;
  // With its parents, which are made along with it.
  size_t missing = 0;
  for (size_t end = path.size(); end != std::string::npos && end != 0;
       end = path.rfind('/', end - 1)) {
    const std::string node = path.substr(0, end);
    if (!Owns(node)) break;
    missing += nodes_.contains(node) ? 0 : 1;
  }
  if (nodes_.size() + missing > kMaxNodes) return Error::kNoSpace;
  for (size_t end = path.size(); missing != 0; end = path.rfind('/', end - 1)) {
    missing -= nodes_.insert(path.substr(0, end)).second ? 1 : 0;
  }
  return Error::kOk;
}

Error VmmAuthority::MaySetPermissions(const std::string& path) { return MayRead(path); }

Error VmmAuthority::MayRemove(const std::string& path, bool in_transaction) {
  if (!Owns(path)) return Error::kAccess;
  if (in_transaction) return Error::kOk;  // which may be given up
  std::erase_if(nodes_, [&path](const std::string& node) { return Below(node, path); });
  return Error::kOk;
}

Error VmmAuthority::MayStartTransaction() {
  if (transactions_ == kMaxTransactions) return Error::kNoSpace;
  ++transactions_;
  return Error::kOk;
}

// Never taken back: a VMM watches the same few paths from its beginning.
Error VmmAuthority::MayWatch(const std::string& path) {
  if (!Owns(path)) return Error::kAccess;
  if (watches_ == kMaxWatches) return Error::kNoSpace;
  ++watches_;
  return Error::kOk;
}

void VmmAuthority::TransactionEnded() {
  if (transactions_ != 0) --transactions_;
}

}  // namespace pyrene::xenstore
