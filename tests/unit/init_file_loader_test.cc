// SPDX-License-Identifier: Apache-2.0
//
// Init's reading of files, against fs's own server over a file system of mke2fs's.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/connect.h"
#include "services/fs/fs_server.h"
#include "services/init/file_loader.h"
#include "tests/unit/channel_memory.h"
#include "tests/unit/fs_image.h"

namespace pyrene::init {
namespace {

using testing::HasSubstr;

constexpr uint64_t kSchema = proto::SchemaId<proto::FsRequest>();
constexpr uint32_t kRingBytes = 4096;
constexpr uint32_t kPoolBytes = 32768;

class FileLoaderTest : public testing::Test {
 protected:
  FileLoaderTest() {
    tree_.Write("guests/vmlinuz", kernel_);
    tree_.Write("initrd", initrd_);
    tree_.Write("empty", "");
    image_ = std::make_unique<fs::Image>("-t ext4", tree_);
    channel_.StartEpoch(epoch_);
    volume_ = *fs::Volume::Mount(*image_, 0, image_->sectors(), "vda2");
    OpenServer();
    loader_ = std::make_unique<FileLoader>(*loop_, std::move(*Open(proto::Side::kClient)), 0);
    EXPECT_TRUE(loop_->AddSourceAt(0, [this] { loader_->OnWake(); }).ok());
    loader_->OnWake();
  }

  std::unique_ptr<proto::Channel> Open(proto::Side side) {
    return channel_.Open(side, loop_->notification());
  }
  void OpenServer() {
    fs::FsServer::Source source;
    source.disk = "vda";
    source.disk_sectors = [this] { return image_->sectors(); };
    source.volume = [this](fs::Volume::Replay) -> absl::StatusOr<fs::Volume*> {
      return volume_.get();
    };
    source.find = [](const std::string& name) -> absl::StatusOr<fs::Extent> {
      if (name != "vda1") return absl::NotFoundError(absl::StrCat("no ", name));
      return fs::Extent{8, 100};
    };
    server_ =
        std::make_unique<fs::FsServer>(std::move(*Open(proto::Side::kServer)), std::move(source));
  }
  void RestartServer() {
    server_.reset();
    channel_.StartEpoch(++epoch_);
    OpenServer();
  }
  // Answers one request at most.
  void Turn() {
    loader_->OnWake();
    server_->Serve();
    loader_->OnWake();
  }

  uint64_t Add(std::vector<std::string> paths, uint64_t most = 8 << 20,
               std::vector<FileLoader::DiskName> disks = {}) {
    FileLoader::Job job;
    job.paths = std::move(paths);
    job.disks = std::move(disks);
    job.most = most;
    job.allocate = [this](uint64_t bytes) -> absl::StatusOr<absl::Span<uint8_t>> {
      if (bytes > limit_) return absl::ResourceExhaustedError("no memory");
      memory_.assign(bytes, 0xee);
      return absl::MakeSpan(memory_);
    };
    job.done = [this](auto result) { result_ = std::move(result); };
    return loader_->Add(std::move(job));
  }
  std::string Text(const FileLoader::Range& range) {
    return {memory_.begin() + static_cast<ptrdiff_t>(range.offset),
            memory_.begin() + static_cast<ptrdiff_t>(range.offset + range.bytes)};
  }
  std::string Error(std::vector<std::string> paths, uint64_t most = 8 << 20) {
    result_.reset();
    Add(std::move(paths), most);
    for (int i = 0; i < 1000 && !result_.has_value(); ++i) Turn();
    EXPECT_TRUE(result_.has_value() && !result_->ok());
    return std::string(result_->status().message());
  }

  const std::string kernel_ = fs::RandomBytes(1'234'567, 3);
  const std::string initrd_ = fs::RandomBytes(100, 4);
  fs::Folder tree_;
  std::unique_ptr<fs::Image> image_;
  std::unique_ptr<runtime::EventLoop> loop_ = std::move(*runtime::EventLoop::Create());
  proto::ChannelMemory channel_{kSchema, kRingBytes, kPoolBytes};
  uint32_t epoch_ = 1;
  std::unique_ptr<fs::Volume> volume_;
  std::unique_ptr<fs::FsServer> server_;
  std::unique_ptr<FileLoader> loader_;
  std::vector<uint8_t> memory_;
  uint64_t limit_ = 8 << 20;
  std::optional<absl::StatusOr<FileLoader::Loaded>> result_;
};

TEST_F(FileLoaderTest, FilesAreReadOnPagesOfTheirOwn) {
  Add({"/guests/vmlinuz", "/initrd"});
  for (int i = 0; i < 1000 && !result_.has_value(); ++i) Turn();
  ASSERT_TRUE(result_.has_value() && result_->ok()) << result_->status();
  ASSERT_EQ((*result_)->files.size(), 2u);
  EXPECT_EQ(Text((*result_)->files[0]), kernel_);
  EXPECT_EQ(Text((*result_)->files[1]), initrd_);
  EXPECT_EQ((*result_)->files[1].offset % 4096, 0u);
  EXPECT_EQ(memory_.size() % 4096, 0u);
}

TEST_F(FileLoaderTest, FsIsRestartedAllTheTime) {
  Add({"/guests/vmlinuz", "/initrd"});
  unsigned restarts = 0;
  for (int i = 0; i < 5000 && !result_.has_value(); ++i) {
    Turn();
    if (i % 7 != 3) continue;
    // With a request that nobody answers any more.
    loader_->OnWake();
    RestartServer();
    ++restarts;
  }
  ASSERT_TRUE(result_.has_value() && result_->ok());
  EXPECT_EQ(Text((*result_)->files[0]), kernel_);
  EXPECT_GT(restarts, 5u);
}

TEST_F(FileLoaderTest, JobsInTheirOrderAndWithoutTheCancelled) {
  const uint64_t first = Add({"/guests/vmlinuz"});
  Turn();
  Turn();
  result_.reset();
  Add({"/initrd"});
  loader_->Cancel(first);
  for (int i = 0; i < 1000 && !result_.has_value(); ++i) Turn();
  ASSERT_TRUE(result_.has_value() && result_->ok());
  ASSERT_EQ((*result_)->files.size(), 1u);
  EXPECT_EQ(Text((*result_)->files[0]), initrd_);
}

TEST_F(FileLoaderTest, ErrorsNameTheFileAsTheUserDoes) {
  EXPECT_EQ(Error({"/nothing"}), "/sd/nothing: No such file or directory");
  EXPECT_EQ(Error({"/guests"}), "/sd/guests is a directory");
  EXPECT_EQ(Error({"/empty"}), "/sd/empty is empty");
  EXPECT_EQ(Error({"/guests/vmlinuz"}, 1'000'000),
            "/sd/guests/vmlinuz is larger than the guest's memory");
  limit_ = 1000;
  EXPECT_EQ(Error({"/guests/vmlinuz"}), "no memory");
  image_->failure = absl::InternalError("sector 9 can not be read");
  limit_ = 8 << 20;
  EXPECT_THAT(Error({"/guests/vmlinuz"}), HasSubstr("/sd/guests/vmlinuz: sector 9 can not"));
}

// What fs says is bounded by what was asked for.
TEST_F(FileLoaderTest, AFileThatIsChangedMeanwhileIsRefused) {
  Add({"/guests/vmlinuz"});
  for (int i = 0; i < 8; ++i) Turn();
  EXPECT_FALSE(result_.has_value());
  tree_.Write("guests/vmlinuz", kernel_ + "more");
  image_ = std::make_unique<fs::Image>("-t ext4", tree_);
  volume_ = *fs::Volume::Mount(*image_, 0, image_->sectors(), "vda2");
  for (int i = 0; i < 1000 && !result_.has_value(); ++i) Turn();
  ASSERT_TRUE(result_.has_value());
  EXPECT_EQ(result_->status().message(), "/sd/guests/vmlinuz was changed while it was read");
}

// A file in many pieces: blocks that tell of others lie between its own.
TEST_F(FileLoaderTest, DisksAreMapped) {
  const std::string content = fs::RandomBytes(20 << 20, 5);
  tree_.Write("root.img", content);
  image_ = std::make_unique<fs::Image>("-t ext2 -b 1024", tree_, 40);
  volume_ = *fs::Volume::Mount(*image_, 0, image_->sectors(), "vda2");
  Add({"/initrd"}, 8 << 20, {{true, "/root.img"}, {false, "vda1"}});
  for (int i = 0; i < 1000 && !result_.has_value(); ++i) {
    Turn();
    if (i % 5 == 4) RestartServer();
  }
  ASSERT_TRUE(result_.has_value() && result_->ok()) << result_->status();
  ASSERT_EQ((*result_)->files.size(), 1u);
  EXPECT_EQ(Text((*result_)->files[0]), initrd_);
  ASSERT_EQ((*result_)->disks.size(), 2u);
  const block::DiskMap& map = (*result_)->disks[0];
  EXPECT_EQ(map.device, "/dev/vda");
  EXPECT_EQ(map.device_sectors, image_->sectors());
  EXPECT_GT(map.extents.size(), 64u) << "more than a message tells";
  std::string read;
  for (const block::Extent& extent : map.extents) {
    const auto begin = image_->bytes.begin() + static_cast<ptrdiff_t>(extent.sector * 512);
    read.append(begin, begin + static_cast<ptrdiff_t>(extent.sectors * 512));
  }
  EXPECT_TRUE(read == content);
  ASSERT_EQ((*result_)->disks[1].extents.size(), 1u);
  EXPECT_EQ((*result_)->disks[1].extents[0].sector, 8u);
}

TEST_F(FileLoaderTest, DisksThatCanNotBe) {
  const auto error = [this](bool is_file, const std::string& name) {
    result_.reset();
    Add({}, 0, {{is_file, name}});
    for (int i = 0; i < 100 && !result_.has_value(); ++i) Turn();
    return result_.has_value() ? std::string(result_->status().message()) : "nothing";
  };
  EXPECT_EQ(error(true, "/nothing"), "/sd/nothing: No such file or directory");
  EXPECT_EQ(error(true, "/guests"), "/sd/guests: Is a directory");
  EXPECT_EQ(error(true, "/empty"), "/sd/empty: is empty");
  EXPECT_EQ(error(false, "vda7"), "no vda7");
}

}  // namespace
}  // namespace pyrene::init
