// SPDX-License-Identifier: Apache-2.0
#include <capnp/dynamic.h>
#include <gtest/gtest.h>
#include <kj/string-tree.h>

#include <atomic>
#include <cstdlib>
#include <cstring>
#include <new>
#include <random>
#include <string>
#include <vector>

#include "proto/message.h"
#include "proto/toolstack.capnp.h"
#include "proto/xenstore.capnp.h"

namespace {

std::atomic<uint64_t> allocations = 0;

}  // namespace

// Counts what the code under test allocates.
void* operator new(size_t n) {
  ++allocations;
  if (void* const p = std::malloc(n)) return p;
  std::abort();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace pyrene::proto {
namespace {

using Words = kj::ArrayPtr<const capnp::word>;

// A private copy that ends where the message ends, so that ASan sees a read beyond it.
class Copy {
 public:
  explicit Copy(Words words) : words_(words.size()) {
    if (words.size() > 0)
      std::memcpy(words_.data(), words.begin(), words.size() * sizeof(uint64_t));
  }
  explicit Copy(std::vector<uint64_t> words) : words_(std::move(words)) {}

  Words get() const {
    return kj::arrayPtr(reinterpret_cast<const capnp::word*>(words_.data()), words_.size());
  }
  uint64_t Get(size_t i) const { return words_[i]; }
  void Set(size_t i, uint64_t value) { words_[i] = value; }
  void Truncate(size_t n) {
    words_.resize(n);
    words_.shrink_to_fit();
  }

 private:
  std::vector<uint64_t> words_;
};

Words Write(MessageBuilder& builder, uint32_t id) {
  auto request = builder.Start<XenstoreRequest>();
  request.setId(id);
  auto write = request.initWrite();
  write.setPath("/local/domain/1/name");
  auto value = write.initValue(5);
  std::memcpy(value.begin(), "guest", 5);
  return *builder.Finish();
}

TEST(Message, RoundTrip) {
  MessageBuilder builder;
  const Copy copy(Write(builder, 42));
  const absl::Status status =
      ReadMessage<XenstoreRequest>(copy.get(), [](XenstoreRequest::Reader request) {
        EXPECT_EQ(request.getId(), 42u);
        EXPECT_TRUE(request.isWrite());
        EXPECT_STREQ(request.getWrite().getPath().cStr(), "/local/domain/1/name");
        EXPECT_EQ(request.getWrite().getValue().size(), 5u);
        return absl::OkStatus();
      });
  EXPECT_TRUE(status.ok()) << status;
}

TEST(Message, BuildingAndReadingAllocateNothing) {
  MessageBuilder builder;
  Write(builder, 1);
  uint32_t sum = 0;
  const uint64_t before = allocations;
  for (uint32_t i = 0; i < 1000; ++i) {
    const absl::Status status =
        ReadMessage<XenstoreRequest>(Write(builder, i), [&](XenstoreRequest::Reader request) {
          sum += request.getId() + request.getWrite().getPath().size();
          return absl::OkStatus();
        });
    if (!status.ok()) std::abort();
  }
  EXPECT_EQ(allocations, before);
  EXPECT_EQ(sum, 499500u + 20000u);
}

TEST(Message, BuilderStartsEachMessageClean) {
  MessageBuilder builder;
  Write(builder, 1);
  builder.Start<XenstoreRequest>().setId(2);
  const Copy copy(*builder.Finish());
  EXPECT_TRUE(ReadMessage<XenstoreRequest>(copy.get(), [](XenstoreRequest::Reader request) {
                EXPECT_EQ(request.getId(), 2u);
                EXPECT_TRUE(request.isDirectory());
                EXPECT_FALSE(request.hasDirectory());
                return absl::OkStatus();
              }).ok());
}

TEST(Message, TooLargeIsAnErrorAndTheBuilderGoesOn) {
  MessageBuilder builder;
  EXPECT_TRUE(absl::IsFailedPrecondition(builder.Finish().status()));
  builder.Start<XenstoreRequest>().initWrite().initValue(kMaxMessageBytes);
  EXPECT_TRUE(absl::IsResourceExhausted(builder.Finish().status()));
  EXPECT_GT(Write(builder, 3).size(), 0u);
  builder.Start<XenstoreRequest>().initWrite().initValue(kMaxMessageBytes - 256);
  EXPECT_TRUE(builder.Finish().ok());
}

TEST(Message, HandlersErrorIsPassedOn) {
  MessageBuilder builder;
  const absl::Status status = ReadMessage<XenstoreRequest>(
      Write(builder, 1),
      [](XenstoreRequest::Reader) { return absl::PermissionDeniedError("not yours"); });
  EXPECT_TRUE(absl::IsPermissionDenied(status));
}

TEST(Message, FramingMustBeOneSegmentOfTheRecordsLength) {
  MessageBuilder builder;
  const Copy good(Write(builder, 1));
  for (const uint64_t lie : {uint64_t{0}, good.Get(0) + (uint64_t{1} << 32), good.Get(0) | 1,
                             ~uint64_t{0}, uint64_t{1} << 32}) {
    Copy bad = good;
    bad.Set(0, lie);
    EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bad.get()))) << lie;
  }
  Copy bad = good;
  bad.Truncate(good.get().size() - 1);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bad.get())));
  bad.Truncate(1);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bad.get())));
  bad.Truncate(0);
  EXPECT_TRUE(absl::IsInvalidArgument(CheckMessage(bad.get())));
}

TEST(Message, PointerOutOfTheMessage) {
  MessageBuilder builder;
  Copy bad(Write(builder, 1));
  bad.Set(1, 0x0001'0001'0000'7ffc);  // a root struct far behind the end
  const absl::Status status = CheckMessage(bad.get());
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("out-of-bounds"), absl::string_view::npos) << status;
}

// A list of 64 pointers, each to the same list of 64 pointers, and so on, four deep: 16 million
// visits of 300 words.
TEST(Message, AmplificationIsStopped) {
  std::vector<uint64_t> words = {
      0, 0x0001'0000'0000'0000};  // frame; root struct without data, one pointer, at word 2
  constexpr size_t kLists = 4, kFan = 64;
  const auto list_pointer = [](size_t from, size_t to) {
    return uint64_t{kFan} << 35 | uint64_t{6} << 32 | (to - from - 1) << 2 |
           1;  // a list of pointers
  };
  words.push_back(list_pointer(2, 3));
  for (size_t list = 0; list < kLists; ++list) {
    const size_t next = 3 + (list + 1) * kFan;
    for (size_t i = 0; i < kFan; ++i)
      words.push_back(list + 1 < kLists ? list_pointer(words.size(), next) : 0);
  }
  words[0] = uint64_t{words.size() - 1} << 32;
  const absl::Status status = CheckMessage(Copy(words).get());
  EXPECT_NE(status.message().find("traversal limit"), absl::string_view::npos) << status;
}

TEST(Message, NestingIsStopped) {
  std::vector<uint64_t> words = {0};
  for (int i = 0; i < 20; ++i)
    words.push_back(0x0001'0000'0000'0000);  // a struct with one pointer, at the next word
  words.push_back(0);
  words[0] = uint64_t{words.size() - 1} << 32;
  const absl::Status status = CheckMessage(Copy(words).get());
  EXPECT_NE(status.message().find("nested"), absl::string_view::npos) << status;
}

TEST(Message, NobodySeesARootThatIsNoStruct) {
  // A list of no elements.
  const Copy message({uint64_t{1} << 32, uint64_t{1}});
  bool seen = false;
  const absl::Status status =
      ReadMessage<XenstoreRequest>(message.get(), [&seen](XenstoreRequest::Reader) {
        seen = true;
        return absl::OkStatus();
      });
  EXPECT_FALSE(status.ok());
  EXPECT_FALSE(seen);
}

TEST(Message, FieldOfAnotherTypeReadsAsDefault) {
  MessageBuilder builder;
  // The same bytes as another schema: what should be a text is a struct.
  builder.Start<ToolstackRequest>().initCreateGuest().setName("name");
  const Copy copy(*builder.Finish());
  bool called = false;
  const absl::Status status =
      ReadMessage<XenstoreRequest>(copy.get(), [&](XenstoreRequest::Reader request) {
        called = true;
        EXPECT_EQ(request.getDirectory().size(), 0u);
        return absl::OkStatus();
      });
  EXPECT_TRUE(called);
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
}

// Everything a handler could look at, by the schema.
template <typename Root>
absl::Status ReadAll(Words words) {
  return ReadMessage<Root>(words, [](typename Root::Reader root) {
    static_cast<void>(kj::str(capnp::DynamicStruct::Reader(root)).size());
    return absl::OkStatus();
  });
}

TEST(Message, MutatedMessagesHarmNobody) {
  const char* const rounds = std::getenv("PYRENE_ROUNDS");
  const int count = rounds != nullptr ? std::atoi(rounds) : 20000;
  MessageBuilder builder;
  std::vector<Copy> seeds;
  seeds.emplace_back(Write(builder, 7));
  auto reply = builder.Start<ToolstackReply>();
  auto guests = reply.initGuests(3);
  for (auto guest : guests) {
    guest.setName("name");
    guest.initUuid(16);
    guest.initVcpus(4)[2].setOnline(true);
  }
  seeds.emplace_back(*builder.Finish());
  auto config = builder.Start<ToolstackRequest>().initCreateGuest();
  config.setKernel("vmlinuz");
  config.initCpus(8).set(3, 0xf);
  seeds.emplace_back(*builder.Finish());
  std::mt19937_64 random(11);
  int bad = 0;
  for (int i = 0; i < count; ++i) {
    Copy message = seeds[random() % seeds.size()];
    const size_t size = message.get().size();
    for (uint64_t changes = 1 + random() % 4; changes > 0; --changes) {
      const size_t at = random() % 8 == 0 ? 0 : 1 + random() % (size - 1);
      uint64_t word = message.Get(at);
      switch (random() % 4) {
        case 0:
          word ^= uint64_t{1} << random() % 64;
          break;
        case 1:
          word = random();
          break;
        case 2:
          word = message.Get(random() % size);
          break;
        default:
          word = (random() % 16) << 35 | (random() % 8) << 32 | (random() % (2 * size)) << 2 |
                 random() % 4;
          break;
      }
      message.Set(at, word);
    }
    if (random() % 50 == 0) message.Truncate(random() % size);
    if (!ReadAll<XenstoreRequest>(message.get()).ok()) ++bad;
    if (!ReadAll<ToolstackReply>(message.get()).ok()) ++bad;
    if (!ReadAll<ToolstackRequest>(message.get()).ok()) ++bad;
  }
  EXPECT_GT(bad, count / 4);
}

}  // namespace
}  // namespace pyrene::proto
