// SPDX-License-Identifier: Apache-2.0
//
// What a client of fs may ask, and what it may not.
#include "services/fs/fs_server.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/connect.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/fs_image.h"

namespace pyrene::fs {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSchema = proto::SchemaId<proto::FsRequest>();
constexpr uint32_t kPoolBytes = 8192;

class FsServerTest : public testing::Test {
 protected:
  FsServerTest() {
    tree_.Write("file", std::string(5000, 'f'));
    for (int i = 0; i < 20; ++i) tree_.Write(absl::StrCat("many/", std::string(200, 'n'), i), "");
    image_ = std::make_unique<Image>("-t ext4 -b 4096", tree_);
    memory_.StartEpoch(1);
    volume_ = *Volume::Mount(*image_, 0, image_->sectors(), "vda2");
    FsServer::Source source;
    source.disk = "vda";
    source.disk_sectors = [] { return uint64_t{99999}; };
    source.volume = [this](Volume::Replay) -> absl::StatusOr<Volume*> {
      if (!mount_.ok()) return mount_;
      if (volume_->stale()) volume_ = *Volume::Mount(*image_, 0, image_->sectors(), "vda2");
      return volume_.get();
    };
    source.find = [](const std::string& name) -> absl::StatusOr<Extent> {
      if (name != "/dev/vda3") return absl::NotFoundError(absl::StrCat("no ", name));
      return Extent{4096, 77};
    };
    source.may_change = true;
    server_ = std::make_unique<FsServer>(std::move(*memory_.Open(proto::Side::kServer, bell_)),
                                         std::move(source));
    client_ = memory_.Open(proto::Side::kClient, bell_);
    client_->Update();
    server_->Serve();
    client_->Update();
  }

  // False: the server broke the connection.
  bool Ask(const std::function<void(proto::FsRequest::Builder)>& fill,
           const std::function<void(proto::FsReply::Reader)>& take) {
    auto request = builder_.Start<proto::FsRequest>();
    request.setId(7);
    fill(request);
    EXPECT_TRUE(client_->Send(builder_).ok());
    server_->Serve();
    bool answered = false;
    if (client_->Update() != proto::Channel::State::kUp) return false;
    client_->Receive<proto::FsReply>(1, [&](proto::FsReply::Reader reply) {
      EXPECT_EQ(reply.getId(), 7u);
      take(reply);
      answered = true;
      return absl::OkStatus();
    });
    return answered;
  }
  std::string Failure(const std::function<void(proto::FsRequest::Builder)>& fill) {
    std::string reason;
    EXPECT_TRUE(Ask(fill, [&](auto reply) {
      ASSERT_TRUE(reply.isFailed());
      reason = reply.getFailed().getReason().cStr();
    }));
    return reason;
  }

  Folder tree_;
  std::unique_ptr<Image> image_;
  runtime::Notification bell_ = *runtime::Notification::Create();
  proto::ChannelMemory memory_{kSchema, proto::ChannelMemory::kRingBytes, kPoolBytes};
  std::unique_ptr<Volume> volume_;
  absl::Status mount_;
  std::unique_ptr<FsServer> server_;
  std::unique_ptr<proto::Channel> client_;
  proto::MessageBuilder builder_;
};

TEST_F(FsServerTest, ReadsIntoThePool) {
  const auto read = [](uint64_t offset, uint32_t bytes, uint32_t place) {
    return [=](proto::FsRequest::Builder request) {
      auto to = request.initRead();
      to.setPath("/file");
      to.setOffset(offset);
      to.setBytes(bytes);
      to.setPlace(place);
    };
  };
  EXPECT_TRUE(Ask(read(1000, 8000, 192), [](auto reply) {
    EXPECT_EQ(reply.getData().getBytes(), 4000u);
    EXPECT_EQ(reply.getData().getFileBytes(), 5000u);
  }));
  char bytes[4000];
  ASSERT_TRUE(client_->pool().Read({192, 4000}, bytes, sizeof(bytes)).ok());
  EXPECT_EQ(std::string(bytes, sizeof(bytes)), std::string(4000, 'f'));
  EXPECT_TRUE(
      Ask(read(1 << 30, 1, 0), [](auto reply) { EXPECT_EQ(reply.getData().getBytes(), 0u); }));
  for (const auto& [bytes_asked, place] : std::vector<std::pair<uint32_t, uint32_t>>{
           {0, 0}, {8193, 0}, {1, 8192}, {0xffffffff, 1}, {1, 0xffffffff}})
    EXPECT_THAT(Failure(read(0, bytes_asked, place)), HasSubstr("/file: no such place"));
}

TEST_F(FsServerTest, ListsWithLongNamesFitIntoMessages) {
  uint32_t first = 0;
  unsigned entries = 0;
  do {
    ASSERT_TRUE(Ask(
        [first](auto request) {
          request.initList().setPath("many");
          request.getList().setFirst(first);
        },
        [&](auto reply) {
          ASSERT_TRUE(reply.isEntries());
          entries += reply.getEntries().getList().size();
          first = reply.getEntries().getNext();
        }));
  } while (first != 0);
  EXPECT_EQ(entries, 20u);
}

TEST_F(FsServerTest, PathsAreBounded) {
  EXPECT_THAT(Failure([](auto request) { request.setStat(""); }), HasSubstr("1 to 1023 bytes"));
  EXPECT_THAT(Failure([](auto request) { request.setStat(std::string(1024, 'x').c_str()); }),
              HasSubstr("1 to 1023 bytes"));
  EXPECT_TRUE(Ask([](auto request) { request.setStat(std::string(1023, '/').c_str()); },
                  [](auto reply) { EXPECT_TRUE(reply.getEntry().getIsDirectory()); }));
}

TEST_F(FsServerTest, MapsAreToldWithTheirDisk) {
  EXPECT_TRUE(Ask([](auto request) { request.initMap().setPath("/file"); },
                  [](auto reply) {
                    ASSERT_TRUE(reply.isMap());
                    EXPECT_STREQ(reply.getMap().getDisk().cStr(), "vda");
                    EXPECT_EQ(reply.getMap().getDiskSectors(), 99999u);
                    ASSERT_EQ(reply.getMap().getExtents().size(), 1u);
                    EXPECT_EQ(reply.getMap().getExtents()[0].getSectors(), 10u);
                    EXPECT_EQ(reply.getMap().getNext(), 0u);
                  }));
  EXPECT_TRUE(Ask(
      [](auto request) {
        request.initMap().setPath("/file");
        request.getMap().setFirst(0xffffffff);
      },
      [](auto reply) { EXPECT_EQ(reply.getMap().getExtents().size(), 0u); }));
}

TEST_F(FsServerTest, APartitionIsAMapOfOneExtent) {
  mount_ = absl::FailedPreconditionError("no file system is needed");
  EXPECT_TRUE(Ask([](auto request) { request.setPartition("/dev/vda3"); },
                  [](auto reply) {
                    ASSERT_TRUE(reply.isMap());
                    EXPECT_STREQ(reply.getMap().getDisk().cStr(), "vda");
                    EXPECT_EQ(reply.getMap().getDiskSectors(), 99999u);
                    EXPECT_EQ(reply.getMap().getFileBytes(), 77u * 512);
                    ASSERT_EQ(reply.getMap().getExtents().size(), 1u);
                    EXPECT_EQ(reply.getMap().getExtents()[0].getSector(), 4096u);
                    EXPECT_EQ(reply.getMap().getExtents()[0].getSectors(), 77u);
                    EXPECT_EQ(reply.getMap().getNext(), 0u);
                  }));
  EXPECT_EQ(Failure([](auto request) { request.setPartition("vda9"); }), "no vda9");
  EXPECT_THAT(Failure([](auto request) { request.setPartition(""); }), HasSubstr("1 to 31"));
  EXPECT_THAT(Failure([](auto request) { request.setPartition(std::string(32, 'x').c_str()); }),
              HasSubstr("1 to 31"));
}

TEST_F(FsServerTest, AFileIsWrittenAndRemoved) {
  uint32_t number = 0;
  ASSERT_TRUE(Ask([](auto request) { request.setStart(9000); },
                  [&](auto reply) { number = reply.getEntry().getNumber(); }));
  ASSERT_NE(number, 0u);
  const std::string text(8192, 'x');
  ASSERT_TRUE(client_->pool().Write({0, 8192}, text.data(), 8192).ok());
  const auto append = [&](uint64_t offset, uint32_t bytes, bool zeros, uint32_t place = 0) {
    return [=](proto::FsRequest::Builder request) {
      auto to = request.initAppend();
      to.setNumber(number);
      to.setOffset(offset);
      to.setBytes(bytes);
      to.setPlace(place);
      to.setZeros(zeros);
    };
  };
  const auto grown = [](uint64_t bytes) {
    return [bytes](proto::FsReply::Reader reply) {
      ASSERT_TRUE(reply.isGrown());
      EXPECT_EQ(reply.getGrown(), bytes);
    };
  };
  EXPECT_TRUE(Ask(append(0, 8192, false), grown(8192)));
  EXPECT_TRUE(Ask(append(0, 8192, false), grown(8192)));  // again
  EXPECT_TRUE(Ask(append(16384, 8192, false), grown(8192)));
  EXPECT_TRUE(Ask(append(8192, 808, true, ~0U), grown(9000)));
  EXPECT_THAT(Failure(append(9000, 8193, false)), HasSubstr("no such place"));
  EXPECT_THAT(Failure(append(9000, 0, true)), HasSubstr("no such place"));
  // Another life, which has not what was kept back.
  volume_ = *Volume::Mount(*image_, 0, image_->sectors(), "vda2");
  const auto rename = [number](proto::FsRequest::Builder request) {
    request.initRename().setTo("/new");
    request.getRename().setNumber(number);
    request.getRename().setBytes(9000);
  };
  EXPECT_TRUE(Ask(rename, grown(0)));
  EXPECT_TRUE(Ask(append(0, 9000, true), grown(9000)));
  const auto remove = [number](proto::FsRequest::Builder request) {
    request.initRemove().setPath("/new");
    request.getRemove().setNumber(number);
  };
  const auto done = [](proto::FsReply::Reader reply) { EXPECT_TRUE(reply.isDone()); };
  EXPECT_TRUE(Ask(rename, done));
  EXPECT_TRUE(Ask(rename, done));
  EXPECT_TRUE(Ask([](auto request) { request.setLook("/new"); },
                  [number](auto reply) {
                    EXPECT_EQ(reply.getEntry().getBytes(), 9000u);
                    EXPECT_EQ(reply.getEntry().getNumber(), number);
                  }));
  EXPECT_TRUE(Ask([](auto request) { request.initFill().setPath("/new"); }, grown(9000)));
  EXPECT_TRUE(Ask([](auto request) { request.setMakeDirectory("/folder"); }, done));
  EXPECT_TRUE(Ask([](auto request) { request.setMakeDirectory("/folder"); }, done));
  EXPECT_TRUE(Ask(remove, done));
  EXPECT_TRUE(Ask(remove, done));
  EXPECT_TRUE(Ask([](auto request) { request.setReplay(); }, done));
  EXPECT_THAT(Failure([](auto request) { request.setLook("/new"); }), HasSubstr("No such file"));
  EXPECT_THAT(Failure([](auto request) { request.initRename().setTo(""); }),
              HasSubstr("1 to 1023"));
  EXPECT_EQ(image_->Run("e2fsck -fn"), 0);
}

TEST_F(FsServerTest, WithoutAMountTheReasonIsTheAnswer) {
  mount_ = absl::FailedPreconditionError("there is no disk");
  EXPECT_EQ(Failure([](auto request) { request.setUsage(); }), "there is no disk");
}

TEST_F(FsServerTest, ARequestWithoutAnIdBreaksTheConnection) {
  EXPECT_FALSE(Ask([](auto request) { request.setId(0); }, [](auto) {}));
}

}  // namespace
}  // namespace pyrene::fs
