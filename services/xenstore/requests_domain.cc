// SPDX-License-Identifier: Apache-2.0
//
// Domains come and go; what else the toolstack asks.
#include <algorithm>

#include "services/xenstore/request.h"

namespace pyrene::xenstore {
namespace {

// Takes a domain's id out of the permissions; nobody owns what it owned.
Perms Without(Perms perms, DomId domid) {
  if (perms[0].domid == domid) perms[0].domid = kNobody;
  perms.erase(std::remove_if(perms.begin() + 1, perms.end(),
                             [&](const Perm& perm) { return perm.domid == domid; }),
              perms.end());
  return perms;
}

}  // namespace

Error Server::Introduce(DomId domid, uint64_t gfn, uint32_t port) {
  if (domid == kNobody || domid >= kFirstReserved || port == 0) return Error::kInvalid;
  if (IsService(domid)) return Error::kInvalid;
  Begin();
  const Domain* known = FindDomain(domid);
  if (known == nullptr && domains_.size() >= options_.max_guests) {
    End();
    return Error::kNoSpace;
  }
  Domain domain;
  if (known != nullptr) {
    // Started again with the same number: nothing of its former connection may reach the new one.
    domain = *known;
    host_->UnmapRing(domid, domain.connection);
    Reset(domain.connection);
  } else {
    domain.connection = OpenConnection({domid, /*privileged=*/false}, /*ring=*/true).id;
  }
  domain.shut_down = false;
  domain.gfn = gfn;
  domain.port = port;
  bool mapped = host_->MapRing(domid, domain).ok();
  if (mapped) {
    if (known == nullptr) special_changes_.push_back(kIntroduceDomain);
    SetDomain(domid, domain);
  } else {
    CloseConnection(domain.connection);
    if (known != nullptr) DropDomain(domid);
  }
  End();
  return mapped ? Error::kOk : Error::kInvalid;
}

Error Server::Release(DomId domid) {
  if (domid == kNobody || IsService(domid)) return Error::kInvalid;
  const Domain* domain = FindDomain(domid);
  auto account = store_.accounts().find(domid);
  // What the toolstack prepared for a domain that was never introduced is released like one.
  if (domain == nullptr && (account == store_.accounts().end() || account->second.IsZero())) {
    return Error::kNoEntry;
  }
  Begin();
  if (domain != nullptr) {
    host_->UnmapRing(domid, domain->connection);
    CloseConnection(domain->connection);
  }
  store_.Forget(domid);
  for (auto& [name, perms] : special_perms_) SetSpecialPerms(name, Without(perms, domid));
  for (auto& [other, facts] : domains_) {
    if (facts.target == domid) {
      facts.target = kNobody;
      observer_->OnDomainSet(other, facts);
    }
  }
  DropDomain(domid);
  store_.DropAccount(domid);
  if (open_transactions_ == 0) store_.ForgetReleases();
  special_changes_.push_back(kReleaseDomain);
  End();
  return Error::kOk;
}

const std::string& Server::VmmDirectory(DomId domid) const {
  static const std::string none;
  const auto found = vmm_directories_.find(domid);
  return found == vmm_directories_.end() ? none : found->second;
}

void Server::SetVmmDirectory(DomId domid, const std::string& path) {
  if (path.empty()) {
    if (vmm_directories_.erase(domid) == 0) return;
  } else {
    vmm_directories_[domid] = path;
  }
  observer_->OnVmmDirectory(domid, path);
}

Error Server::ShutDown(DomId domid) {
  const Domain* known = FindDomain(domid);
  if (known == nullptr) return Error::kNoEntry;
  if (known->shut_down) return Error::kOk;
  Begin();
  Domain domain = *known;
  domain.shut_down = true;
  SetDomain(domid, domain);
  special_changes_.push_back(kReleaseDomain);
  End();
  return Error::kOk;
}

const Domain* Server::FindDomain(DomId domid) const {
  auto found = domains_.find(domid);
  return found == domains_.end() ? nullptr : &found->second;
}

void Server::SetDomain(DomId domid, const Domain& domain) {
  domains_[domid] = domain;
  observer_->OnDomainSet(domid, domain);
}

void Server::DropDomain(DomId domid) {
  domains_.erase(domid);
  observer_->OnDomainReleased(domid);
}

bool Server::IsService(DomId domid) const {
  return std::any_of(connections_.begin(), connections_.end(), [&](const auto& entry) {
    return !entry.second->ring && entry.second->credential.domid == domid;
  });
}

Error Server::IntroduceDomain(Request& request) {
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  if (strings.size() < 2) return Error::kInvalid;
  std::optional<uint64_t> gfn = ParseNumber(strings[0]);
  std::optional<uint64_t> port = ParseNumber(strings[1]);
  if (!gfn || !port || *port > ~uint32_t{0}) return Error::kInvalid;
  return Introduce(request.domid, *gfn, static_cast<uint32_t>(*port));
}

Error Server::ReleaseDomain(Request& request) { return Release(request.domid); }

Error Server::GetDomainPath(Request& request) {
  // Of any number, also 0: old scripts ask for the home of Dom0.
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  std::optional<uint64_t> domid = strings.size() == 1 ? ParseNumber(strings[0]) : std::nullopt;
  if (!domid || *domid > 0xffff) return Error::kInvalid;
  request.reply = TextReply(HomeOf(static_cast<DomId>(*domid)));
  return Error::kOk;
}

Error Server::IsDomainIntroduced(Request& request) {
  request.reply = TextReply(FindDomain(request.domid) != nullptr ? "T" : "F");
  return Error::kOk;
}

Error Server::Resume(Request& request) {
  const Domain* known = FindDomain(request.domid);
  if (known == nullptr) return Error::kNoEntry;
  Domain domain = *known;
  domain.shut_down = false;
  SetDomain(request.domid, domain);
  return Error::kOk;
}

Error Server::SetTarget(Request& request) {
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  std::optional<DomId> target = strings.size() == 1 ? ParseDomId(strings[0]) : std::nullopt;
  if (!target) return Error::kInvalid;
  const Domain* known = FindDomain(request.domid);
  if (known == nullptr || !IsKnown(*target)) return Error::kNoEntry;
  Domain domain = *known;
  domain.target = *target;
  SetDomain(request.domid, domain);
  return Error::kOk;
}

Error Server::Control(Request& request) {
  std::vector<std::string_view> strings = SplitStrings(request.rest);
  if (strings.size() != 1 || (strings[0] != "help" && strings[0] != "check"))
    return Error::kInvalid;
  if (strings[0] == "help") {
    request.reply = TextReply("help\ncheck\n");
  } else {
    absl::Status status = CheckAccounts();
    request.reply = TextReply(status.ok() ? "OK" : std::string(status.message()));
  }
  return Error::kOk;
}

Error Server::GetFeature(Request& request) {
  // Without a domid; features of single domains are not kept.
  if (request.rest.size() > 1) return request.caller.privileged ? Error::kInvalid : Error::kAccess;
  request.reply = TextReply(std::to_string(kServerFeatures));
  return Error::kOk;
}

}  // namespace pyrene::xenstore
