// SPDX-License-Identifier: Apache-2.0
//
// What the tests of the XenStore share: a store with a toolstack, guests as they are set up, and
// clients that speak in plain strings.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "services/xenstore/server.h"

namespace pyrene::xenstore {

// The strings, each with its NUL.
inline std::string Payload(std::initializer_list<std::string_view> strings) {
  std::string payload;
  for (std::string_view text : strings) payload.append(text).push_back('\0');
  return payload;
}

class FakeHost : public ServerHost {
 public:
  absl::Status MapRing(DomId domid, const Domain&) override {
    if (refuse) return absl::InvalidArgumentError("no such page");
    mapped.insert(domid);
    return absl::OkStatus();
  }
  void UnmapRing(DomId domid, ConnectionId) override { mapped.erase(domid); }
  void Wake(ConnectionId connection) override { woken.insert(connection); }

  bool refuse = false;
  std::set<DomId> mapped;
  std::set<ConnectionId> woken;
};

// Answers are payloads; errors are "!EINVAL" and so on; plain success is "OK".
class Client {
 public:
  Client() = default;
  Client(Server* server, ConnectionId connection) : server_(server), connection_(connection) {}

  std::string Do(MessageType type, std::string_view payload, uint32_t transaction = 0) {
    Reply reply =
        server_->HandleRequest(connection_, static_cast<uint32_t>(type), transaction, payload);
    if (reply.error != Error::kOk) {
      EXPECT_EQ(reply.payload, std::string(ErrorName(reply.error)) + '\0');
      return "!" + std::string(ErrorName(reply.error));
    }
    if (reply.payload == std::string_view("OK\0", 3)) return "OK";
    return reply.payload;
  }

  std::string Read(std::string_view path, uint32_t tx = 0) {
    return Do(MessageType::kRead, Payload({path}), tx);
  }
  std::string Write(std::string_view path, std::string_view value, uint32_t tx = 0) {
    return Do(MessageType::kWrite, Payload({path}).append(value), tx);
  }
  std::string Mkdir(std::string_view path, uint32_t tx = 0) {
    return Do(MessageType::kMkdir, Payload({path}), tx);
  }
  std::string Rm(std::string_view path, uint32_t tx = 0) {
    return Do(MessageType::kRm, Payload({path}), tx);
  }
  // Names separated by spaces.
  std::string Directory(std::string_view path, uint32_t tx = 0) {
    return Spaced(Do(MessageType::kDirectory, Payload({path}), tx));
  }
  // "n0 r5"
  std::string GetPerms(std::string_view path, uint32_t tx = 0) {
    return Spaced(Do(MessageType::kGetPerms, Payload({path}), tx));
  }
  std::string SetPerms(std::string_view path, std::initializer_list<std::string_view> perms,
                       uint32_t tx = 0) {
    return Do(MessageType::kSetPerms, Payload({path}) + Payload(perms), tx);
  }
  std::string Watch(std::string_view path, std::string_view token) {
    return Do(MessageType::kWatch, Payload({path, token}));
  }
  std::string Watch(std::string_view path, std::string_view token, std::string_view depth) {
    return Do(MessageType::kWatch, Payload({path, token, depth}));
  }
  std::string Unwatch(std::string_view path, std::string_view token) {
    return Do(MessageType::kUnwatch, Payload({path, token}));
  }
  // The id, or 0 with the error in *error.
  uint32_t Start(std::string* error = nullptr) {
    std::string reply = Do(MessageType::kTransactionStart, std::string_view("\0", 1));
    if (reply[0] != '!') return static_cast<uint32_t>(std::atoi(reply.c_str()));
    if (error != nullptr) *error = reply;
    return 0;
  }
  std::string End(uint32_t tx, bool commit = true) {
    return Do(MessageType::kTransactionEnd, Payload({commit ? "T" : "F"}), tx);
  }

  // The next watch event as "path token", or "" if none waits.
  std::string Event() {
    std::optional<Server::Event> event = server_->NextEvent(connection_);
    return event ? event->path + " " + event->token : "";
  }
  // All waiting events.
  std::vector<std::string> Events() {
    std::vector<std::string> events;
    for (std::string event = Event(); !event.empty(); event = Event()) events.push_back(event);
    return events;
  }

  ConnectionId connection() const { return connection_; }

 private:
  static std::string Spaced(std::string text) {
    if (!text.empty() && text.back() == '\0') text.pop_back();
    for (char& c : text) {
      if (c == '\0') c = ' ';
    }
    return text;
  }

  Server* server_ = nullptr;
  ConnectionId connection_ = kNoConnection;
};

inline constexpr DomId kToolstackDomId = 0x7fe0;
inline constexpr DomId kBackendDomId = 0x7fef;

// A store with a toolstack, without guests.
class StoreTest : public testing::Test {
 protected:
  explicit StoreTest(const ServerOptions& options = {}, MutationObserver* observer = nullptr)
      : server_(&host_, observer, options) {
    tool_ = Client(&server_, server_.OpenService({kToolstackDomId, /*privileged=*/true}));
    tool_.Mkdir("/local/domain");
    tool_.Mkdir("/tool");
  }

  // Whatever a test did, the books must be right at its end.
  void TearDown() override { EXPECT_EQ(server_.CheckAccounts(), absl::OkStatus()); }

  // Introduces a guest with the directories that a toolstack makes: it reads its home, and owns
  // ~/data.
  Client AddGuest(DomId domid) {
    std::string home = HomeOf(domid);
    std::string id = std::to_string(domid);
    EXPECT_EQ(tool_.Write(home + "/name", "guest"), "OK");
    EXPECT_EQ(tool_.SetPerms(home, {"n0", "r" + id}), "OK");
    EXPECT_EQ(tool_.SetPerms(home + "/name", {"n0", "r" + id}), "OK");
    EXPECT_EQ(tool_.Mkdir(home + "/data"), "OK");
    EXPECT_EQ(tool_.SetPerms(home + "/data", {"n" + id}), "OK");
    EXPECT_EQ(server_.Introduce(domid, 0x39000, 1), Error::kOk);
    return Client(&server_, server_.FindDomain(domid)->connection);
  }

  Client AddService(DomId domid) {
    return Client(&server_, server_.OpenService({domid, /*privileged=*/false}));
  }

  Account AccountOf(DomId domid) {
    auto found = server_.store().accounts().find(domid);
    return found == server_.store().accounts().end() ? Account() : found->second;
  }

  FakeHost host_;
  Server server_;
  Client tool_;
};

// How often a randomised test shall go round.
inline int Rounds(int otherwise) {
  const char* rounds = std::getenv("PYRENE_ROUNDS");
  return rounds != nullptr && std::atoi(rounds) > 0 ? std::atoi(rounds) : otherwise;
}

}  // namespace pyrene::xenstore
