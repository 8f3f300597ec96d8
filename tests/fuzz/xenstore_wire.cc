// SPDX-License-Identifier: Apache-2.0
//
// The bytes of one guest's ring, in a store with a toolstack, a back-end and
// another guest. The guest may do anything to its page; afterwards the books must be right, the
// output bounded, and the others served.
//
// An input is a list of steps: a byte that says what, a byte that says how much, then that many
// bytes.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "services/xenstore/xs_ring.h"

namespace pyrene::xenstore {
namespace {

void Require(bool condition) {
  if (!condition) std::abort();
}

class FuzzPage : public RingPage {
 public:
  bool Load32(uint32_t offset, uint32_t* value) override {
    std::memcpy(value, &bytes[offset], 4);
    return Alive();
  }
  bool Store32(uint32_t offset, uint32_t value) override {
    std::memcpy(&bytes[offset], &value, 4);
    return Alive();
  }
  bool CopyIn(uint32_t offset, absl::Span<uint8_t> to) override {
    std::memcpy(to.data(), &bytes.at(offset), to.size());
    return Alive();
  }
  bool CopyOut(uint32_t offset, absl::Span<const uint8_t> from) override {
    std::memcpy(&bytes.at(offset), from.data(), from.size());
    return Alive();
  }

  std::array<uint8_t, 4096> bytes{};
  int accesses_left = -1;  // until the page vanishes; negative: never

 private:
  bool Alive() { return accesses_left < 0 || accesses_left-- > 0; }
};

class FuzzHost : public ServerHost {
 public:
  absl::Status MapRing(DomId, const Domain&) override { return absl::OkStatus(); }
  void UnmapRing(DomId, ConnectionId) override {}
  void Wake(ConnectionId) override {}
};

std::string Strings(std::initializer_list<std::string_view> strings) {
  std::string payload;
  for (std::string_view text : strings) payload.append(text).push_back('\0');
  return payload;
}

class World {
 public:
  World() : server_(&host_, nullptr) {
    tool_ = server_.OpenService({0x7fe0, /*privileged=*/true});
    backend_ = server_.OpenService({0x7fef, /*privileged=*/false});
    for (std::string id : {"1", "2"}) {
      std::string home = "/local/domain/" + id;
      Tool(MessageType::kWrite, Strings({home + "/name"}) + "guest");
      Tool(MessageType::kSetPerms, Strings({home, "n0", "r" + id}));
      Tool(MessageType::kSetPerms, Strings({home + "/name", "n0", "r" + id}));
      Tool(MessageType::kMkdir, Strings({home + "/data"}));
      Tool(MessageType::kSetPerms, Strings({home + "/data", "n" + id, "r32751"}));
      Require(server_.Introduce(static_cast<DomId>(id[0] - '0'), 1, 1) == Error::kOk);
    }
    guest_ = server_.FindDomain(1)->connection;
    other_ = server_.FindDomain(2)->connection;
    Ask(backend_, MessageType::kWatch, Strings({"/local/domain/1/data", "fe"}));
    ring_ = std::make_unique<RingServer>(&server_, guest_, &page_);
    (void)ring_->Attach(kServerFeatures);
  }

  void Step(uint8_t what, std::string_view bytes) {
    uint8_t argument = bytes.empty() ? 0 : static_cast<uint8_t>(bytes[0]);
    switch (what % 16) {
      default:
        Send(bytes);
        break;
      case 1:  // a request with a proper header
        if (bytes.size() >= 2) {
          Header header{static_cast<uint32_t>(argument % 28), 1,
                        static_cast<uint32_t>(bytes[1] & 3), 0};
          header.length = static_cast<uint32_t>(bytes.size() - 2);
          Send(EncodeMessage(header, bytes.substr(2)));
        }
        break;
      case 2:
        (void)ring_->Process(argument);
        break;
      case 3:  // the guest reads
        std::memcpy(&page_.bytes[kReplyConsumer], &page_.bytes[kReplyProducer], 4);
        break;
      case 4:  // the guest scribbles over the indices and fields
        for (size_t i = 0; i + 1 < bytes.size(); i += 2) {
          page_.bytes[2048 + static_cast<uint8_t>(bytes[i]) % 32] =
              static_cast<uint8_t>(bytes[i + 1]);
        }
        break;
      case 5:
        Tool(MessageType::kWrite, Strings({"/local/domain/1/data/x"}) + "tool");
        break;
      case 6:
        if (argument % 4 == 0) {
          Require(server_.Introduce(1, 1, 1) == Error::kOk);
          page_.bytes.fill(0);
          page_.accesses_left = -1;
          ring_ = std::make_unique<RingServer>(&server_, guest_, &page_);
          (void)ring_->Attach(kServerFeatures);
        }
        break;
      case 7:
        page_.accesses_left = argument;
        break;
      case 8:
        (void)server_.NextEvent(backend_);
        break;
    }
  }

  void Finish() {
    (void)ring_->Process(64);
    Require(server_.CheckAccounts().ok());
    Require(Ask(other_, MessageType::kRead, Strings({"name"})).payload == "guest");
    Require(Tool(MessageType::kRead, Strings({"/local/domain/2/name"})).payload == "guest");
    const Quota quota;
    for (const auto& [domid, account] : server_.store().accounts()) {
      Require(domid != 1 || (account.nodes <= quota.nodes && account.watches <= quota.watches));
    }
    Require(server_.Output(guest_)->bytes() < quota.events + quota.outstanding * 5000 + 5000);
    Require(server_.Release(1) == Error::kOk);
    Require(server_.CheckAccounts().ok());
    Require(!server_.store().accounts().contains(1));
  }

 private:
  Reply Ask(ConnectionId connection, MessageType type, const std::string& payload) {
    return server_.HandleRequest(connection, static_cast<uint32_t>(type), 0, payload);
  }
  Reply Tool(MessageType type, const std::string& payload) { return Ask(tool_, type, payload); }

  void Send(std::string_view bytes) {
    uint32_t producer = 0;
    std::memcpy(&producer, &page_.bytes[kRequestProducer], 4);
    for (char c : bytes) page_.bytes[producer++ % kRingSize] = static_cast<uint8_t>(c);
    std::memcpy(&page_.bytes[kRequestProducer], &producer, 4);
  }

  FuzzHost host_;
  Server server_;
  FuzzPage page_;
  std::unique_ptr<RingServer> ring_;
  ConnectionId tool_ = kNoConnection;
  ConnectionId backend_ = kNoConnection;
  ConnectionId guest_ = kNoConnection;
  ConnectionId other_ = kNoConnection;
};

}  // namespace
}  // namespace pyrene::xenstore

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  pyrene::xenstore::World world;
  while (input.size() >= 2) {
    uint8_t what = static_cast<uint8_t>(input[0]);
    size_t length = static_cast<uint8_t>(input[1]);
    input.remove_prefix(2);
    world.Step(what, input.substr(0, length));
    input.remove_prefix(std::min(length, input.size()));
  }
  world.Finish();
  return 0;
}
