// SPDX-License-Identifier: Apache-2.0
//
// A XenStore that dies, again and again, before any of its stores into a guest's page and after any
// of its stores into the journal, and goes on from there. Guests ask at random, through their
// rings, and compare each answer and each watch event with a model that never dies.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "services/journal/log.h"
#include "services/xenstore/journal/recorder.h"
#include "services/xenstore/journal/restore.h"
#include "services/xenstore/path.h"
#include "services/xenstore/xs_ring.h"
#include "tests/unit/xenstore_fake_page.h"
#include "tests/unit/xenstore_model.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

constexpr DomId kGuests[] = {5, 6};

struct Death {};

ServerOptions SmallQuotas() {
  ServerOptions options;
  options.guest_quota.nodes = 12;
  options.guest_quota.watches = 4;
  options.guest_quota.transactions = 2;
  return options;
}

// What stays when the service dies: the journal, and each guest with its page.
struct World {
  struct Guest {
    FakePage page;
    std::string outgoing;  // not yet in the ring
    std::string incoming;
    uint32_t request = 0;
    std::multiset<std::string> events;  // "path token"
  };

  explicit World(size_t journal_bytes) : journal(journal_bytes / 8) {
    for (const DomId domid : kGuests) guest[domid].page.before_access = [this](int) { Step(); };
  }
  // Each place where a death is possible.
  void Step() {
    ++steps;
    if (fuse != 0 && --fuse == 0) throw Death();
  }

  std::vector<uint64_t> journal;
  std::map<DomId, Guest> guest;
  uint64_t fuse = 0;  // steps to the next death; 0: none
  uint64_t steps = 0;
};

// One life of the service.
class Life : public ServerHost {
 public:
  explicit Life(World* world, const ServerOptions& options = SmallQuotas())
      : world_(world),
        recorder_([] { ADD_FAILURE() << "the journal is full"; }),
        server_(this, &recorder_, options) {}

  // What the service does at its start (services/xenstore/main.cc).
  absl::Status Start() {
    auto log = journal::Log::Open(world_->journal.data(), world_->journal.size() * 8);
    if (!log.ok()) return log.status();
    log_ = std::make_unique<journal::Log>(*std::move(log));
    log_->SetStoreHook([this](size_t) { world_->Step(); });
    Restorer restorer(&server_);
    absl::Status status =
        log_->Replay([&](journal::Log::Record record) { return restorer.Take(record); });
    if (!status.ok()) return status;
    auto rings = restorer.TakeRings();
    recorder_.Start(log_.get(), &server_, rings);
    server_.EndRestore();
    server_.Sync();
    for (const DomId domid : kGuests) {
      const Domain* const domain = server_.FindDomain(domid);
      if (domain == nullptr) continue;
      ring_[domid] =
          std::make_unique<RingServer>(&server_, domain->connection, &world_->guest[domid].page);
      if (ring_[domid]->Resume(kServerFeatures, rings[domain->connection]) !=
          RingServer::Health::kOk) {
        return absl::InternalError("a ring is broken");
      }
    }
    return absl::OkStatus();
  }

  bool Round() {
    bool more = false;
    for (auto& [domid, ring] : ring_) {
      const RingServer::Result result = ring->Process(8);
      EXPECT_EQ(result.health, RingServer::Health::kOk);
      more = more || result.more;
    }
    server_.Sync();
    return more;
  }

  absl::Status MapRing(DomId domid, const Domain& domain) override {
    ring_[domid] =
        std::make_unique<RingServer>(&server_, domain.connection, &world_->guest[domid].page);
    EXPECT_EQ(ring_[domid]->Attach(kServerFeatures), RingServer::Health::kOk);
    return absl::OkStatus();
  }
  void UnmapRing(DomId domid, ConnectionId) override { ring_.erase(domid); }
  void Wake(ConnectionId) override {}

  Server& server() { return server_; }
  uint64_t compactions() const { return recorder_.compactions(); }

 private:
  World* world_;
  std::unique_ptr<journal::Log> log_;
  Recorder recorder_;
  Server server_;
  std::map<DomId, std::unique_ptr<RingServer>> ring_;
};

class DeathTest : public testing::Test {
 protected:
  DeathTest() {
    NewLife();
    Model::Client& tool = model_.clients[kToolstackDomId];
    tool.domid = kToolstackDomId;
    tool.privileged = true;
    AsToolstack([](Client& c) {
      for (const char* path : {"/local/domain", "/tool", "/shared"}) EXPECT_EQ(c.Mkdir(path), "OK");
    });
    for (const char* path : {"/local/domain", "/tool", "/shared"})
      model_.Mkdir(tool, path, nullptr);
    for (const DomId domid : kGuests) NewGuest(domid);
    AsToolstack([](Client& c) { EXPECT_EQ(c.SetPerms("/shared", {"n0", "b5", "r6"}), "OK"); });
    model_.SetPerms(tool, "/shared", {"n0", "b5", "r6"}, nullptr);
    Settle();
  }

  // The toolstack asks again what a restart cuts off: here it meets none.
  template <typename Do>
  void AsToolstack(Do what) {
    const uint64_t fuse = std::exchange(world_.fuse, 0);
    Client client(&life_->server(),
                  life_->server().OpenService({kToolstackDomId, /*privileged=*/true}));
    what(client);
    life_->server().CloseService(client.connection());
    life_->server().Sync();
    world_.fuse = fuse;
  }

  void NewGuest(DomId domid) {
    const std::string home = HomeOf(domid);
    const std::string id = std::to_string(domid);
    AsToolstack([&](Client& c) {
      EXPECT_EQ(c.Write(home + "/name", ""), "OK");
      EXPECT_EQ(c.Write(home + "/data", ""), "OK");
      EXPECT_EQ(c.SetPerms(home, {"n0", ("r" + id)}), "OK");
      EXPECT_EQ(c.SetPerms(home + "/data", {("n" + id)}), "OK");
      World::Guest& guest = world_.guest[domid];
      guest.outgoing.clear();
      guest.incoming.clear();
      EXPECT_EQ(life_->server().Introduce(domid, 1, 1), Error::kOk);
    });
    Model::Client& tool = model_.clients[kToolstackDomId];
    model_.Write(tool, home + "/name", "", nullptr);
    model_.Write(tool, home + "/data", "", nullptr);
    model_.SetPerms(tool, home, {"n0", "r" + id}, nullptr);
    model_.SetPerms(tool, home + "/data", {"n" + id}, nullptr);
    Model::Client& client = model_.clients[domid];
    client = {};
    client.domid = domid;
    client.max_nodes = 12;
    client.max_watches = 4;
    client.max_transactions = 2;
    client.max_perms = 5;
    lost_[domid].clear();
  }

  // The next life, which may die while it starts.
  void NewLife() {
    for (;;) {
      compactions_ += life_ != nullptr ? life_->compactions() : 0;
      life_ = std::make_unique<Life>(&world_);
      try {
        ASSERT_EQ(life_->Start(), absl::OkStatus());
        return;
      } catch (Death) {
        ++deaths_;
        world_.fuse = NextFuse();
      }
    }
  }
  // A compaction takes some thousand.
  uint64_t NextFuse() {
    constexpr uint64_t kMost[] = {20, 60, 200, 3000};
    return 1 + random_() % kMost[random_() % 4];
  }

  // Runs something, in as many lives as it takes.
  template <typename Do>
  void Live(Do what) {
    try {
      what();
    } catch (Death) {
      ++deaths_;
      died_ = true;
      world_.fuse = NextFuse();
      for (const DomId domid : kGuests) {
        for (const auto& [id, tx] : model_.clients[domid].txs) lost_[domid].insert(id);
      }
      NewLife();
      ASSERT_EQ(life_->server().CheckAccounts(), absl::OkStatus());
    }
  }

  // Moves bytes until nothing moves; the answer to the request, as Client has it, if one came.
  std::string Settle(DomId asked = 0) {
    std::string answer;
    int idle = 0;
    for (int round = 0; round < 3000 && idle < 3; ++round) {
      bool moved = false;
      for (const DomId domid : kGuests) {
        World::Guest& guest = world_.guest[domid];
        const auto hook = std::exchange(guest.page.before_access, nullptr);
        moved = guest.page.Send(&guest.outgoing, 1 + random_() % 1200) != 0 || moved;
        guest.page.before_access = hook;
      }
      bool more = true;
      Live([&] { more = life_->Round(); });
      for (const DomId domid : kGuests) {
        World::Guest& guest = world_.guest[domid];
        moved = guest.page.Receive(&guest.incoming, 1 + random_() % 1200) != 0 || moved;
        for (const Received& message : TakeMessages(&guest.incoming)) {
          if (message.header.type == static_cast<uint32_t>(MessageType::kWatchEvent)) {
            const size_t end = message.payload.find('\0');
            guest.events.insert(message.payload.substr(0, end) + " " +
                                message.payload.substr(end + 1, message.payload.size() - end - 2));
            continue;
          }
          EXPECT_EQ(domid, asked) << "an answer to nothing";
          EXPECT_EQ(answer, "") << "a second answer";
          EXPECT_EQ(message.header.request_id, guest.request);
          answer = Decode(message);
        }
      }
      idle = moved || more ? 0 : idle + 1;
    }
    return answer;
  }
  static std::string Decode(const Received& message) {
    std::string text = message.payload;
    if (message.header.type == static_cast<uint32_t>(MessageType::kError))
      return "!" + text.substr(0, text.size() - 1);
    if (text == std::string_view("OK\0", 3)) return "OK";
    if (message.header.type != static_cast<uint32_t>(MessageType::kRead)) {
      if (!text.empty() && text.back() == '\0') text.pop_back();
      for (char& c : text) c = c == '\0' ? ' ' : c;
    }
    return text + "=";  // never empty
  }

  std::string Ask(DomId domid, MessageType type, const std::string& payload, uint32_t tx) {
    World::Guest& guest = world_.guest[domid];
    guest.outgoing += Message(type, payload, ++guest.request, tx);
    died_ = false;
    return Settle(domid);
  }

  std::string RandomPerm() {
    static const char* ids[] = {"0", "5", "6", "77"};
    return std::string(1, "nrwb"[random_() % 4]) + ids[random_() % 4];
  }

  void StepOnce();
  void End(DomId domid, uint32_t id);
  void Compare();

  std::mt19937_64 random_{1};
  World world_{24 << 10};
  Model model_;
  std::unique_ptr<Life> life_;
  std::map<DomId, std::set<uint32_t>> lost_;  // open transactions that may have been cut off
  bool died_ = false;                         // during this request
  int deaths_ = 0;
  uint64_t compactions_ = 0;
  std::map<std::string, int> seen_;
};

void DeathTest::End(DomId domid, uint32_t id) {
  Model::Client& model = model_.clients[domid];
  const bool commit = random_() % 4 != 0;
  const std::string got =
      Ask(domid, MessageType::kTransactionEnd, Payload({commit ? "T" : "F"}), id);
  if (got == "!EAGAIN" && lost_[domid].contains(id) && commit) {
    model.txs.erase(id);
    ++seen_["cut off"];
  } else {
    ASSERT_EQ(got, model_.End(model, id, commit));
    ++seen_["end" + got];
  }
  lost_[domid].erase(id);
}

void DeathTest::StepOnce() {
  const DomId domid = kGuests[random_() % 2];
  Model::Client& model = model_.clients[domid];
  std::string path = RandomPath(random_);
  uint32_t id = 0;
  if (!model.txs.empty() && random_() % 3 != 0) {
    auto open = model.txs.begin();
    std::advance(open, random_() % model.txs.size());
    id = open->first;
  }
  Model::Tx* const tx = id != 0 ? &model.txs[id] : nullptr;
  std::string expected;
  std::string got;
  const char* what = "";
  switch (random_() % 14) {
    case 0:
    case 1:
    case 2:
    case 3: {
      what = "write";
      const std::string value(random_() % 16 == 0 ? random_() % 1500 : random_() % 20, 'v');
      got = Ask(domid, MessageType::kWrite, Payload({path}) + value, id);
      expected = model_.Write(model, path, value, tx);
      break;
    }
    case 4:
      what = "read";
      got = Ask(domid, MessageType::kRead, Payload({path}), id);
      expected = model_.Read(model, path, tx);
      if (expected[0] != '!') expected += "=";
      break;
    case 5:
      what = "directory";
      got = Ask(domid, MessageType::kDirectory, Payload({path}), id);
      expected = model_.Directory(model, path, tx);
      if (expected[0] != '!') expected += "=";
      break;
    case 6:
      what = "mkdir";
      got = Ask(domid, MessageType::kMkdir, Payload({path}), id);
      expected = model_.Mkdir(model, path, tx);
      break;
    case 7:
      what = "rm";
      got = Ask(domid, MessageType::kRm, Payload({path}), id);
      expected = model_.Rm(model, path, tx);
      break;
    case 8: {
      what = "setperms";
      std::vector<std::string> perms = {RandomPerm()};
      if (random_() % 4 != 0) perms[0] = perms[0].substr(0, 1) + std::to_string(domid);
      for (uint64_t more = random_() % 6; more > 0; --more) perms.push_back(RandomPerm());
      std::string payload = Payload({path});
      for (const std::string& perm : perms) payload += perm + '\0';
      got = Ask(domid, MessageType::kSetPerms, payload, id);
      expected = model_.SetPerms(model, path, perms, tx);
      break;
    }
    case 9: {
      what = "watch";
      const std::string token(1, static_cast<char>('s' + random_() % 3));
      got = Ask(domid, MessageType::kWatch, Payload({path, token}), 0);
      expected = model_.AddWatch(model, path, token, ~0u);
      break;
    }
    case 10: {
      what = "unwatch";
      if (model.watches.empty()) return;
      const Model::Watch watch = model.watches.front();
      got = Ask(domid, MessageType::kUnwatch, Payload({watch.path, watch.token}), 0);
      expected = model_.Unwatch(model, watch.path, watch.token);
      break;
    }
    case 11: {
      what = "start";
      const bool may = model_.MayStart(model);
      got = Ask(domid, MessageType::kTransactionStart, Payload({""}), 0);
      ASSERT_EQ(got[0] != '!', may) << got;
      expected = got;
      if (!may) break;
      const auto started = static_cast<uint32_t>(std::atoi(got.c_str()));
      model_.Start(model, started);
      if (died_) lost_[domid].insert(started);
      got = expected = "OK";
      break;
    }
    default:
      if (id != 0) End(domid, id);
      got = expected = id != 0 ? "OK" : "";
  }
  // What a transaction that was cut off sees of its own doings is not said.
  if (id == 0 || !lost_[domid].contains(id)) ASSERT_EQ(got, expected) << what << " " << path;
  ASSERT_TRUE(id == 0 || !got.empty()) << what << ": no answer";
  ++seen_[what];
  for (const DomId other : kGuests) {
    ASSERT_EQ(world_.guest[other].events, model_.clients[other].events)
        << what << " " << path << ", events for " << other;
    seen_["events"] += static_cast<int>(world_.guest[other].events.size());
    world_.guest[other].events.clear();
    model_.clients[other].events.clear();
  }
}

void DeathTest::Compare() {
  std::map<std::string, std::pair<std::string, std::string>> real;
  ForEachNode(life_->server().store().tree().root(), "/",
              [&](const Node& node, std::string_view path) {
                real[std::string(path)] = {node.value, FormatPerms(node.perms)};
              });
  std::map<std::string, std::pair<std::string, std::string>> expected;
  for (const auto& [path, node] : model_.nodes) {
    std::string perms;
    for (const std::string& perm : node.perms) perms += perm + '\0';
    expected[path] = {node.value, perms};
  }
  ASSERT_EQ(real, expected);
  for (const DomId domid : kGuests) {
    const auto account = life_->server().store().accounts().find(domid);
    EXPECT_EQ(account->second.watches, model_.clients[domid].watches.size());
    EXPECT_EQ(account->second.transactions, model_.clients[domid].txs.size());
  }
}

TEST_F(DeathTest, NothingIsLostAndNothingIsDoneTwice) {
  world_.fuse = NextFuse();
  for (int round = 0; round < Rounds(4'000); ++round) {
    ASSERT_NO_FATAL_FAILURE(StepOnce()) << "round " << round << ", " << deaths_ << " deaths";
    if (round % 16 == 0) ASSERT_NO_FATAL_FAILURE(Compare()) << "round " << round;
    if (random_() % 512 == 0) {
      const DomId domid = kGuests[random_() % 2];
      AsToolstack([&](Client&) { EXPECT_EQ(life_->server().Release(domid), Error::kOk); });
      model_.Release(domid);
      NewGuest(domid);
      Settle();
      ++seen_["release"];
    }
  }
  compactions_ += life_->compactions();
  for (const char* what : {"write", "read", "directory", "rm", "setperms", "watch", "unwatch",
                           "start", "endOK", "cut off", "events", "release"}) {
    EXPECT_GT(seen_[what], 3) << what;
  }
  EXPECT_GT(deaths_, Rounds(4'000) / 20);
  EXPECT_GT(compactions_, 20u);
  RecordProperty("deaths", deaths_);
}

// A request, killed at each step of it in turn.
TEST_F(DeathTest, ADeathAtEachStepOfOneRequest) {
  const struct {
    MessageType type;
    std::string payload;
    std::string answer;
  } requests[] = {
      {MessageType::kWatch, Payload({"data", "t"}), "OK"},
      {MessageType::kWrite, Payload({"data/x"}) + std::string(1500, 'x'), "OK"},
      {MessageType::kRead, Payload({"data/x"}), std::string(1500, 'x') + "="},
      {MessageType::kRm, Payload({"data/x"}), "OK"},
  };
  for (uint64_t fuse = 1; fuse < 120; ++fuse) {
    for (const auto& request : requests) {
      world_.fuse = fuse;
      World::Guest& guest = world_.guest[5];
      guest.outgoing += Message(request.type, request.payload, ++guest.request);
      std::string answer;
      // The first death is where it is wanted, and no other comes.
      for (int life = 0; life < 2 && answer.empty(); ++life) {
        try {
          for (int round = 0; round < 20; ++round) {
            guest.page.before_access = nullptr;
            guest.page.Send(&guest.outgoing);
            guest.page.before_access = [this](int) { world_.Step(); };
            life_->Round();
            guest.page.Receive(&guest.incoming);
          }
        } catch (Death) {
          ++deaths_;
          ASSERT_NO_FATAL_FAILURE(NewLife());
          continue;
        }
        world_.fuse = 0;
        for (const Received& message : TakeMessages(&guest.incoming)) {
          if (message.header.type == static_cast<uint32_t>(MessageType::kWatchEvent)) {
            guest.events.insert(message.payload);
          } else {
            ASSERT_EQ(answer, "") << "a second answer";
            answer = Decode(message);
          }
        }
      }
      if (request.type == MessageType::kWatch && fuse > 1) {
        ASSERT_EQ(answer, "!EEXIST") << "fuse " << fuse;
      } else {
        ASSERT_EQ(answer, request.answer) << "fuse " << fuse;
      }
    }
    ASSERT_EQ(std::exchange(world_.guest[5].events, {}).size(), fuse == 1 ? 3u : 2u)
        << "fuse " << fuse;
  }
  EXPECT_GT(deaths_, 100);
}

}  // namespace
}  // namespace pyrene::xenstore
