// SPDX-License-Identifier: Apache-2.0
//
// Random requests of several domains to the store and to a simple model of it, compared after each.
#include "tests/unit/xenstore_model.h"

#include <gtest/gtest.h>

#include <random>

#include "services/xenstore/path.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

// Keeps a copy of the tree by what the observer hears alone: nothing may change without its
// knowing.
class MirrorObserver : public MutationObserver {
 public:
  void OnBegin() override { EXPECT_FALSE(std::exchange(inside, true)); }
  void OnEnd() override { EXPECT_TRUE(std::exchange(inside, false)); }
  void OnNodeSet(std::string_view path, std::string_view value, const Perms& perms) override {
    for (std::string_view up = ParentOf(path); !nodes.contains(std::string(up)) && up != "/";
         up = ParentOf(up)) {
      nodes[std::string(up)] = {"", FormatPerms(perms)};
    }
    nodes[std::string(path)] = {std::string(value), FormatPerms(perms)};
  }
  void OnNodeRemoved(std::string_view path) override {
    EXPECT_NE(std::erase_if(nodes, [&](const auto& e) { return IsAtOrBelow(e.first, path); }), 0u);
  }
  void OnConnectionOpened(ConnectionId id, Credential, bool) override { connections.insert(id); }
  void OnConnectionClosed(ConnectionId id) override { EXPECT_EQ(connections.erase(id), 1u); }
  void OnWatchAdded(const Watch& watch) override {
    EXPECT_TRUE(watches.insert({watch.connection, watch.path, watch.token}).second);
  }
  void OnWatchRemoved(ConnectionId id, std::string_view path, std::string_view token) override {
    EXPECT_EQ(watches.erase({id, std::string(path), std::string(token)}), 1u);
  }
  void OnTransactionStarted(ConnectionId id, uint32_t tx) override {
    EXPECT_TRUE(transactions.insert({id, tx}).second);
  }
  void OnTransactionEnded(ConnectionId id, uint32_t tx) override {
    EXPECT_EQ(transactions.erase({id, tx}), 1u);
  }
  void OnOutputQueued(ConnectionId id, std::string_view) override { ++queued[id]; }
  void OnOutputTaken(ConnectionId id) override { --queued[id]; }
  void OnConnectionReset(ConnectionId id) override { queued[id] = 0; }

  std::map<std::string, std::pair<std::string, std::string>> nodes = {
      {"/", {"", std::string("n0\0", 3)}}};
  std::set<ConnectionId> connections;
  std::set<std::tuple<ConnectionId, std::string, std::string>> watches;
  std::set<std::pair<ConnectionId, uint32_t>> transactions;
  std::map<ConnectionId, size_t> queued;
  bool inside = false;
};

struct Mirrored {
  MirrorObserver mirror_;
};

class ModelTest : private Mirrored, public StoreTest {
 protected:
  using Mirrored::mirror_;

  ModelTest() : StoreTest(SmallQuotas(), &mirror_) {
    Join(kToolstackDomId, tool_, /*privileged=*/true);
    model_.Mkdir(model_.clients[kToolstackDomId], "/local/domain", nullptr);
    model_.Mkdir(model_.clients[kToolstackDomId], "/tool", nullptr);
    Join(kBackendDomId, AddService(kBackendDomId), false);
    Both(
        kToolstackDomId, [](auto& s, auto& c) { return s.Write(c, "/shared", "", nullptr); },
        [](Client& c) { return c.Write("/shared", ""); });
    for (DomId domid : {5, 6}) NewGuest(domid);
    SetBoth("/shared", {"n0", "b5", "r6", "b32751"});
  }

  static ServerOptions SmallQuotas() {
    ServerOptions options;
    options.guest_quota.nodes = 12;
    options.guest_quota.watches = 4;
    options.guest_quota.transactions = 2;
    return options;
  }

  void Join(DomId domid, Client client, bool privileged) {
    real_[domid] = client;
    Model::Client& model = model_.clients[domid];
    model.domid = domid;
    model.privileged = privileged;
    if (domid < kBackendDomId - 100) {
      model.max_nodes = 12;
      model.max_watches = 4;
      model.max_transactions = 2;
      model.max_perms = 5;
    }
  }

  // Does the same to both and compares the answers.
  template <typename ToModel, typename ToReal>
  void Both(DomId domid, ToModel to_model, ToReal to_real) {
    std::string expected = to_model(model_, model_.clients[domid]);
    ASSERT_EQ(to_real(real_[domid]), expected);
  }
  void SetBoth(const std::string& path, const std::vector<std::string>& perms) {
    Both(
        kToolstackDomId, [&](auto& s, auto& c) { return s.SetPerms(c, path, perms, nullptr); },
        [&](Client& c) { return Set(c, path, perms, 0); });
  }
  static std::string Set(Client& c, const std::string& path, const std::vector<std::string>& perms,
                         uint32_t tx) {
    std::string payload = Payload({path});
    for (const std::string& perm : perms) payload += perm + '\0';
    return c.Do(MessageType::kSetPerms, payload, tx);
  }

  void NewGuest(DomId domid) {
    std::string home = HomeOf(domid);
    std::string id = std::to_string(domid);
    for (const char* path : {"/name", "/data"}) {
      Both(
          kToolstackDomId, [&](auto& s, auto& c) { return s.Write(c, home + path, "", nullptr); },
          [&](Client& c) { return c.Write(home + path, ""); });
    }
    SetBoth(home, {"n0", "r" + id});
    SetBoth(home + "/data", {"n" + id});
    ASSERT_EQ(server_.Introduce(domid, 1, 1), Error::kOk);
    Join(domid, Client(&server_, server_.FindDomain(domid)->connection), false);
  }

  std::string RandomPerm() {
    static const char* ids[] = {"0", "5", "6", "77", "32751"};
    return std::string(1, "nrwb"[random_() % 4]) + ids[random_() % 5];
  }

  void Step();
  void CompareAll();

  std::mt19937 random_{1};
  Model model_;
  std::map<DomId, Client> real_;
  std::map<std::string, int> seen_;  // how often each operation ended how
};

void ModelTest::Step() {
  static constexpr DomId kDomIds[] = {5, 5, 6, 6, kBackendDomId, kToolstackDomId};
  DomId domid = kDomIds[random_() % 6];
  Client& real = real_[domid];
  Model::Client& model = model_.clients[domid];
  std::string path = RandomPath(random_);
  uint32_t id = 0;
  if (!model.txs.empty() && random_() % 3 != 0) {
    auto open = model.txs.begin();
    std::advance(open, random_() % model.txs.size());
    id = open->first;
  }
  Model::Tx* tx = id != 0 ? &model.txs[id] : nullptr;
  std::string expected;
  std::string got;
  std::string text =
      "domain " + std::to_string(domid) + " tx " + std::to_string(id) + " " + path + " ";
  switch (random_() % 16) {
    case 0:
    case 1:
    case 2:
    case 3: {
      text += "write";
      std::string value = std::to_string(random_() % 100);
      expected = model_.Write(model, path, value, tx);
      got = real.Write(path, value, id);
      break;
    }
    case 4:
      text += "read";
      expected = model_.Read(model, path, tx);
      got = real.Read(path, id);
      break;
    case 5:
      text += "directory";
      expected = model_.Directory(model, path, tx);
      got = real.Directory(path, id);
      break;
    case 6:
      text += "mkdir";
      expected = model_.Mkdir(model, path, tx);
      got = real.Mkdir(path, id);
      break;
    case 7:
    case 8:
      text += "rm";
      // Not the directories that hold everything.
      if (path == "/local/domain/5" || path == "/shared" || path == "/tool") break;
      expected = model_.Rm(model, path, tx);
      got = real.Rm(path, id);
      break;
    case 9:
      text += "getperms";
      expected = model_.GetPerms(model, path, tx);
      got = real.GetPerms(path, id);
      break;
    case 10: {
      text += "setperms";
      if (path == "/" || path == "/shared") break;
      std::vector<std::string> perms = {RandomPerm()};
      if (random_() % 4 != 0) {
        perms[0] = perms[0].substr(0, 1) + std::to_string(domid == kToolstackDomId ? 0 : domid);
      }
      for (uint32_t more = random_() % 6; more > 0; --more) perms.push_back(RandomPerm());
      expected = model_.SetPerms(model, path, perms, tx);
      got = Set(real, path, perms, id);
      break;
    }
    case 11: {
      text += "watch";
      std::string token(1, static_cast<char>('s' + random_() % 3));
      bool deep = random_() % 2 == 0;
      uint32_t depth = deep ? ~0u : static_cast<uint32_t>(random_() % 3);
      expected = model_.AddWatch(model, path, token, depth);
      got = deep ? real.Watch(path, token) : real.Watch(path, token, std::to_string(depth));
      break;
    }
    case 12: {
      text += "unwatch";
      if (!model.watches.empty() && random_() % 2 == 0) {
        const Model::Watch watch = model.watches[random_() % model.watches.size()];
        expected = model_.Unwatch(model, watch.path, watch.token);
        got = real.Unwatch(watch.path, watch.token);
      } else {
        expected = model_.Unwatch(model, path, "s");
        got = real.Unwatch(path, "s");
      }
      break;
    }
    case 13: {
      text += "start";
      std::string error;
      if (model_.MayStart(model) && model.txs.size() >= 5) break;
      bool may = model_.MayStart(model);
      uint32_t started = real.Start(&error);
      ASSERT_EQ(started != 0, may) << text;
      if (started != 0) model_.Start(model, started);
      break;
    }
    case 14: {
      text += "end";
      if (id == 0) break;
      bool commit = random_() % 4 != 0;
      expected = model_.End(model, id, commit);
      got = real.End(id, commit);
      break;
    }
    default:
      if (random_() % 32 != 0) break;
      text = "release and introduce again";
      domid = static_cast<DomId>(5 + random_() % 2);
      model_.Release(domid);
      ASSERT_EQ(server_.Release(domid), Error::kOk);
      NewGuest(domid);
  }
  ASSERT_EQ(got, expected) << text;
  ++seen_[text.substr(text.rfind(' ') + 1) + (got[0] == '!' ? got : "")];
  for (auto& [other, client] : real_) {
    std::vector<std::string> events = client.Events();
    std::multiset<std::string> sorted(events.begin(), events.end());
    ASSERT_EQ(sorted, model_.clients[other].events) << text << ", events for " << other;
    seen_["events"] += static_cast<int>(sorted.size());
    model_.clients[other].events.clear();
  }
}

void ModelTest::CompareAll() {
  ASSERT_EQ(server_.CheckAccounts(), absl::OkStatus());
  std::map<std::string, std::pair<std::string, std::string>> real;
  ForEachNode(server_.store().tree().root(), "/", [&](const Node& node, std::string_view path) {
    real[std::string(path)] = {node.value, FormatPerms(node.perms)};
  });
  std::map<std::string, std::pair<std::string, std::string>> expected;
  for (const auto& [path, node] : model_.nodes) {
    std::string perms = Model::Join(node.perms) + '\0';
    std::replace(perms.begin(), perms.end(), ' ', '\0');
    expected[path] = {node.value, perms};
  }
  ASSERT_EQ(real, expected);
  ASSERT_EQ(mirror_.nodes, real) << "the observer was told everything";
  size_t watches = 0;
  size_t transactions = 0;
  for (const auto& [domid, client] : model_.clients) {
    watches += client.watches.size();
    transactions += client.txs.size();
    EXPECT_EQ(static_cast<long>(AccountOf(static_cast<DomId>(domid)).nodes),
              Model::Owned(model_.nodes, domid));
    EXPECT_EQ(mirror_.queued[real_[static_cast<DomId>(domid)].connection()], 0u);
  }
  EXPECT_EQ(mirror_.watches.size(), watches);
  EXPECT_EQ(mirror_.transactions.size(), transactions);
}

TEST_F(ModelTest, RandomRequestsOfFourDomains) {
  for (int round = 0; round < Rounds(60'000); ++round) {
    ASSERT_NO_FATAL_FAILURE(Step()) << "round " << round;
    if (round % 100 == 0) ASSERT_NO_FATAL_FAILURE(CompareAll()) << "round " << round;
  }
  CompareAll();
  for (const char* ending :
       {"write", "write!ENOSPC", "write!EACCES", "read", "read!ENOENT", "directory", "mkdir", "rm",
        "rm!ENOENT", "setperms", "setperms!EPERM", "watch!EEXIST", "watch!ENOSPC", "unwatch", "end",
        "end!EAGAIN", "events", "again"}) {
    EXPECT_GT(seen_[ending], 10) << ending;
  }

  // When all is gone, nothing is left on anybody's account.
  for (DomId domid : {5, 6}) EXPECT_EQ(server_.Release(domid), Error::kOk);
  server_.CloseService(real_[kBackendDomId].connection());
  for (std::string_view path : {"/local", "/shared", "/tool", "/none", "/a", "/b", "/c"}) {
    EXPECT_EQ(tool_.Rm(path), "OK");
  }
  server_.CloseService(tool_.connection());
  EXPECT_TRUE(mirror_.watches.empty());
  EXPECT_TRUE(mirror_.transactions.empty());
  EXPECT_TRUE(mirror_.connections.empty());
  for (const auto& [domid, account] : server_.store().accounts()) {
    if (domid == kNobody) {
      EXPECT_EQ(account.nodes, 1u) << "the root";
      EXPECT_EQ(account.memory, server_.store().tree().root().Bytes());
    } else {
      EXPECT_TRUE(account.IsZero()) << domid;
    }
  }
}

}  // namespace
}  // namespace pyrene::xenstore
