// SPDX-License-Identifier: Apache-2.0
#include <capnp/dynamic.h>
#include <capnp/serialize.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <set>
#include <string>

#include "proto/block.capnp.h"
#include "proto/console.capnp.h"
#include "proto/manifest.capnp.h"
#include "proto/message.h"
#include "proto/mutator/message_mutator.h"
#include "proto/supervision.capnp.h"
#include "proto/toolstack.capnp.h"
#include "proto/vmm.capnp.h"
#include "proto/xenstore.capnp.h"
#include "proto/xenstore_journal.capnp.h"

namespace pyrene::proto {
namespace {

using Message = MessageMutator::Message;

int Rounds(int usual) {
  const char* const rounds = getenv("PYRENE_ROUNDS");
  return rounds == nullptr ? usual : atoi(rounds);
}

kj::ArrayPtr<const capnp::word> Words(const Message& message) {
  return kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size());
}

// All fields that are set, by path, with their values as text.
void Collect(capnp::DynamicStruct::Reader reader, const std::string& path,
             std::map<std::string, std::set<std::string>>& seen, int depth = 0) {
  if (depth > 6) return;
  for (const auto field : reader.getSchema().getFields()) {
    if (!reader.has(field)) continue;
    const std::string name = path + "." + field.getProto().getName().cStr();
    const capnp::DynamicValue::Reader value = reader.get(field);
    if (value.getType() == capnp::DynamicValue::STRUCT) {
      seen[name].insert("there");
      Collect(value.as<capnp::DynamicStruct>(), name, seen, depth + 1);
    } else {
      seen[name].insert(kj::str(value).cStr());
    }
  }
}

void AllFields(capnp::StructSchema schema, const std::string& path, std::set<std::string>& names,
               int depth = 0) {
  if (depth > 4) return;
  for (const auto field : schema.getFields()) {
    const std::string name = path + "." + field.getProto().getName().cStr();
    names.insert(name);
    if (field.getType().isStruct()) AllFields(field.getType().asStruct(), name, names, depth + 1);
  }
}

template <typename Root>
class MutatorTest : public testing::Test {};
using Roots = testing::Types<BlockRequest, BlockEvent, ConsoleRequest, Manifest, SupervisionRequest,
                             ToolstackRequest, VmmRequest, XenstoreRequest, XenstoreRecord>;
TYPED_TEST_SUITE(MutatorTest, Roots);

TYPED_TEST(MutatorTest, ChangesEveryFieldAndStaysAMessage) {
  MessageMutator mutator(capnp::Schema::from<TypeParam>());
  mutator.Seed(1);
  std::map<std::string, std::set<std::string>> seen;
  Message message = mutator.Fresh();
  for (int i = 0; i < Rounds(20'000) / 4; ++i) {
    message = i % 16 == 0 ? mutator.Fresh() : mutator.Change(message);
    if (message.size() > kMaxMessageWords) {
      message = mutator.Fresh();
      continue;
    }
    // Structure mode makes nothing that is not of the schema; long lists may be over a reader's
    // traversal limit, which is the reader's to refuse.
    capnp::FlatArrayMessageReader reader(Words(message));
    ErrorTrap trap;
    Collect(reader.getRoot<capnp::DynamicStruct>(capnp::Schema::from<TypeParam>()), "", seen);
    ASSERT_FALSE(trap.caught()) << trap.status();
  }
  std::set<std::string> names;
  AllFields(capnp::Schema::from<TypeParam>(), "", names);
  for (const std::string& name : names) EXPECT_TRUE(seen.contains(name)) << name;
}

TYPED_TEST(MutatorTest, TheSameSeedDoesTheSame) {
  MessageMutator mutator(capnp::Schema::from<TypeParam>());
  alignas(8) uint8_t one[4096] = {};
  alignas(8) uint8_t other[4096] = {};
  size_t bytes = 0;
  for (uint32_t seed = 0; seed < 500; ++seed) {
    const size_t more = mutator.Mutate(one, bytes, sizeof(one), seed);
    ASSERT_EQ(mutator.Mutate(other, bytes, sizeof(other), seed), more);
    ASSERT_EQ(memcmp(one, other, more), 0);
    ASSERT_LE(more, sizeof(one));
    bytes = more;
  }
}

// A message that byte mode made is changed in structure mode later: a union whose arm no schema
// knows is one of those.
TYPED_TEST(MutatorTest, ChangesWhatByteModeLeft) {
  MessageMutator mutator(capnp::Schema::from<TypeParam>());
  mutator.Seed(5);
  for (int i = 0; i < Rounds(20'000) / 20; ++i) {
    Message message = mutator.Fresh();
    for (int j = 0; j < 4; ++j) {
      mutator.Forge(message);
      message = mutator.Change(message);
    }
    ASSERT_FALSE(message.empty());
  }
}

// Byte mode forges what a reader must refuse, in each way that a pointer can be wrong.
TEST(MutatorForgeTest, ForgesWhatReadersRefuse) {
  MessageMutator mutator(capnp::Schema::from<XenstoreRequest>());
  mutator.Seed(3);
  std::map<std::string, int> reasons;
  int good = 0;
  for (int i = 0; i < 5'000; ++i) {
    Message message = mutator.Fresh();
    mutator.Forge(message);
    const absl::Status status = CheckMessage(Words(message));
    ++(status.ok() ? good : reasons[std::string(status.message())]);
  }
  EXPECT_GT(good, 100);
  EXPECT_GE(reasons.size(), 4u);
}

TEST(MutatorSequenceTest, SplitsAndCrosses) {
  MessageMutator mutator(capnp::Schema::from<BlockRequest>());
  std::vector<uint8_t> one(4096), other(4096), out(4096);
  mutator.Seed(9);
  size_t a = 0, b = 0;
  for (uint32_t i = 0; i < 20; ++i) {
    a = mutator.Mutate(one.data(), a, one.size(), i);
    b = mutator.Mutate(other.data(), b, other.size(), 100 + i);
  }
  EXPECT_GT(MessageMutator::Split(one.data(), a).size(), 1u);
  size_t most = 0;
  for (uint32_t i = 0; i < 50; ++i) {
    const size_t bytes =
        mutator.CrossOver(one.data(), a, other.data(), b, out.data(), out.size(), i);
    most = std::max(most, MessageMutator::Split(out.data(), bytes).size());
  }
  EXPECT_GT(most, 1u);
  EXPECT_TRUE(MessageMutator::Split(one.data(), 7).empty());
}

}  // namespace
}  // namespace pyrene::proto
