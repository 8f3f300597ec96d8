// SPDX-License-Identifier: Apache-2.0
//
// A service's channel to XenStore, and what a guest's VMM may do by it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "services/xenstore/service/message_link.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/xenstore_test_util.h"

namespace pyrene::xenstore {
namespace {

using proto::XenstoreReply;
using proto::XenstoreRequest;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSchema = proto::SchemaId<XenstoreRequest>();

// One service with its link.
class Peer {
 public:
  Peer(Server& server, DomId guest) {
    channel_ = memory_.Open(proto::Side::kClient, bell_);
    link_ = std::make_unique<MessageLink>(
        server, std::move(*memory_.Open(proto::Side::kServer, bell_)), guest);
    Restart();
  }
  // Init starts an epoch for each new life.
  void Restart() {
    memory_.StartEpoch(++epoch_);
    channel_->Update();
    while (link_->Serve()) {
    }
  }

  // The answer's value, or "!" and the error's number.
  template <typename Fill>
  std::string Ask(Fill fill, uint32_t transaction = 0) {
    channel_->Update();
    auto request = builder_.Start<XenstoreRequest>();
    request.setId(++id_);
    request.setTransaction(transaction);
    fill(request);
    if (!channel_->Send(builder_).ok()) return "not sent";
    channel_->Flush();
    while (link_->Serve()) {
    }
    std::string answer = "none";
    channel_->Update();
    while (channel_->Receive<XenstoreReply>(16, [&](auto reply) {
      if (!reply.isDone() || reply.getDone().getId() != id_) return absl::OkStatus();
      const auto value = reply.getDone().getValue().asChars();
      answer = reply.getDone().getError() == proto::XenstoreError::OK
                   ? std::string(value.begin(), value.size())
                   : absl::StrCat("!", static_cast<int>(reply.getDone().getError()));
      return absl::OkStatus();
    })) {
    }
    return answer;
  }
  std::string Write(const std::string& path, const std::string& value, uint32_t transaction = 0) {
    return Ask(
        [&](auto request) {
          auto write = request.initWrite();
          write.setPath(path);
          write.setValue({reinterpret_cast<const kj::byte*>(value.data()), value.size()});
        },
        transaction);
  }
  std::string Read(const std::string& path) {
    return Ask([&](auto request) { request.setRead(path); });
  }
  std::string Remove(const std::string& path, uint32_t transaction = 0) {
    return Ask([&](auto request) { request.setRemove(path); }, transaction);
  }
  std::vector<std::string> Trees() const { return link_->Trees(); }
  std::string Start() {
    return Ask([](auto request) { request.setTransactionStart(); });
  }
  std::string End(uint32_t transaction, bool commit) {
    return Ask([commit](auto request) { request.setTransactionEnd(commit); }, transaction);
  }
  std::string SetPermissions(const std::string& path, const std::string& permission) {
    return Ask([&](auto request) {
      auto set = request.initSetPermissions();
      set.setPath(path);
      set.initPermissions(1).set(0, permission);
    });
  }

 private:
  proto::ChannelMemory memory_{kSchema};
  runtime::Notification bell_ = *runtime::Notification::Create();
  std::unique_ptr<proto::Channel> channel_;
  std::unique_ptr<MessageLink> link_;
  proto::MessageBuilder builder_;
  uint32_t epoch_ = 0;
  uint32_t id_ = 0;
};

constexpr char kAccess[] = "!2";
constexpr char kNoSpace[] = "!6";
const std::string kVm5 = "/vm/00000000-0000-0000-0000-000000000005";

class LinkTest : public StoreTest {
 protected:
  LinkTest() {
    for (const char* path : {"/local/domain", "/libxl", "/vm", "/local/domain/32750/backend",
                             "/local/domain/32749/backend"})
      tool_.Mkdir(path);
    tool_.Mkdir(std::string(kConsoleBackend));
    tool_.Mkdir(std::string(kVbdBackend));
  }
  Peer xl_{server_, 0};
  Peer vmm_{server_, 5};
};

TEST_F(LinkTest, ToolstackMayDoEverything) {
  EXPECT_EQ(xl_.Write("/tool/x", "1"), "");
  EXPECT_EQ(xl_.Read("/tool/x"), "1");
  EXPECT_EQ(xl_.Read("/none"), "!5");
  EXPECT_EQ(xl_.Ask([](auto request) { request.setGetDomainPath(7); }),
            std::string("/local/domain/7\0", 16));
}

TEST_F(LinkTest, AVmmHasItsGuestsPaths) {
  for (const std::string& top :
       {std::string("/local/domain/5"), std::string("/libxl/5"), kVm5,
        std::string(kConsoleBackend) + "/5", std::string(kVbdBackend) + "/5"}) {
    EXPECT_EQ(vmm_.Write(top + "/name", "a"), "") << top;
    EXPECT_EQ(vmm_.Read(top + "/name"), "a") << top;
    EXPECT_EQ(vmm_.SetPermissions(top + "/name", "n5"), "") << top;
    EXPECT_EQ(vmm_.Remove(top), "") << top;
  }
}

TEST_F(LinkTest, AVmmHasNothingElse) {
  tool_.Write("/vm/other/name", "b");
  tool_.Write("/local/domain/51/name", "b");
  for (const char* path :
       {"/", "/local", "/local/domain", "/local/domain/6", "/local/domain/51",
        "/local/domain/51/name", "/libxl", "/libxl/51", "/vm", "/vm/", "/vm/other",
        "/vm/other/name", "/tool", "/local/domain/32750", "/local/domain/32750/backend",
        "/local/domain/32749/backend/vbd/51", "relative", "@releaseDomain", ""}) {
    EXPECT_EQ(vmm_.Write(path, "evil"), kAccess) << path;
    EXPECT_EQ(vmm_.Read(path), kAccess) << path;
    EXPECT_EQ(vmm_.Remove(path), kAccess) << path;
    EXPECT_EQ(vmm_.SetPermissions(path, "n5"), kAccess) << path;
  }
  EXPECT_EQ(vmm_.Ask([](auto request) { request.setRelease(6); }), kAccess);
  EXPECT_EQ(vmm_.Ask([](auto request) { request.setShutDown(6); }), kAccess);
  EXPECT_EQ(vmm_.Ask([](auto request) { request.initIntroduce().setDomid(6); }), kAccess);
  EXPECT_EQ(vmm_.Ask([](auto request) { request.setControl("quota"); }), kAccess);
  EXPECT_EQ(vmm_.Ask([](auto request) { request.initSetTarget().setDomid(5); }), kAccess);
  EXPECT_EQ(vmm_.Ask([](auto request) { request.initWatch().setPath("/local/domain/6"); }),
            kAccess);
  EXPECT_EQ(tool_.Read("/vm/other/name"), "b");
}

TEST_F(LinkTest, OneDirectoryBelowVm) {
  EXPECT_EQ(vmm_.Write(kVm5 + "/name", "a"), "");
  EXPECT_EQ(vmm_.Write("/vm/second/name", "a"), kAccess);
  EXPECT_THAT(vmm_.Trees(),
              ElementsAre("/local/domain/5", "/libxl/5", std::string(kConsoleBackend) + "/5",
                          std::string(kVbdBackend) + "/5", kVm5));
  EXPECT_THAT(xl_.Trees(), IsEmpty());
}

TEST_F(LinkTest, WatchesOfAVmmAreCounted) {
  const auto watch = [this](size_t number) {
    return vmm_.Ask([number](auto request) {
      auto watch = request.initWatch();
      watch.setPath("/local/domain/5/device/vbd/51712/state");
      watch.setToken(absl::StrCat(number).c_str());
    });
  };
  for (size_t i = 0; i < VmmAuthority::kMaxWatches; ++i) EXPECT_EQ(watch(i), "") << i;
  EXPECT_EQ(watch(VmmAuthority::kMaxWatches), kNoSpace);
}

// The directory that guests share: as libxl's list names it, and never changed.
TEST_F(LinkTest, SharedDirectoryStays) {
  const std::string before = tool_.GetPerms(kConsoleBackend);
  EXPECT_EQ(vmm_.Write(std::string(kConsoleBackend), "evil"), "");
  EXPECT_EQ(vmm_.SetPermissions(std::string(kConsoleBackend), "b5"), "");
  EXPECT_EQ(vmm_.Remove(std::string(kConsoleBackend)), kAccess);
  EXPECT_EQ(tool_.Read(kConsoleBackend), "");
  EXPECT_EQ(tool_.GetPerms(kConsoleBackend), before);
}

TEST_F(LinkTest, NodesOfAVmmAreCounted) {
  size_t made = 0;
  std::string answer;
  for (; made < 2 * VmmAuthority::kMaxNodes; ++made) {
    answer = vmm_.Write(absl::StrCat("/local/domain/5/data/", made), "x");
    if (!answer.empty()) break;
  }
  EXPECT_EQ(answer, kNoSpace);
  EXPECT_EQ(made, VmmAuthority::kMaxNodes - 2);  // /local/domain/5 and data
  EXPECT_EQ(vmm_.Write("/local/domain/5/data/0", "again"), "");
  // Removing within a transaction that is given up makes no room.
  const uint32_t transaction = static_cast<uint32_t>(std::stoul(vmm_.Start()));
  EXPECT_EQ(vmm_.Remove("/local/domain/5/data", transaction), "");
  EXPECT_EQ(vmm_.End(transaction, false), "");
  EXPECT_EQ(vmm_.Write("/local/domain/5/new", "x"), kNoSpace);
  EXPECT_EQ(vmm_.Remove("/local/domain/5/data"), "");
  EXPECT_EQ(vmm_.Write("/local/domain/5/new", "x"), "");
}

TEST_F(LinkTest, SizesOfAVmmAreBounded) {
  EXPECT_EQ(vmm_.Write("/local/domain/5/data", std::string(VmmAuthority::kMaxValue, 'v')), "");
  EXPECT_EQ(vmm_.Write("/local/domain/5/data", std::string(VmmAuthority::kMaxValue + 1, 'v')),
            kNoSpace);
  EXPECT_EQ(vmm_.Write("/local/domain/5/" + std::string(VmmAuthority::kMaxPath, 'p'), ""), kAccess);
}

TEST_F(LinkTest, TransactionsOfAVmmAreCounted) {
  const uint32_t first = static_cast<uint32_t>(std::stoul(vmm_.Start()));
  EXPECT_NE(vmm_.Start(), kNoSpace);
  EXPECT_EQ(vmm_.Start(), kNoSpace);
  EXPECT_EQ(vmm_.End(first + 17, true), "!5");
  EXPECT_EQ(vmm_.Start(), kNoSpace);
  EXPECT_EQ(vmm_.End(first, true), "");
  EXPECT_NE(vmm_.Start(), kNoSpace);
  vmm_.Restart();  // its transactions are gone with its old connection
  EXPECT_NE(vmm_.Start(), kNoSpace);
}

}  // namespace
}  // namespace pyrene::xenstore
