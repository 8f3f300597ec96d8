// SPDX-License-Identifier: Apache-2.0
#include "proto/mutator/message_mutator.h"

#include <capnp/serialize.h>
#include <kj/exception.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>

#include "proto/message.h"

namespace pyrene::proto {
namespace {

using capnp::DynamicList;
using capnp::DynamicStruct;
using capnp::DynamicValue;
using capnp::StructSchema;

constexpr size_t kWord = sizeof(uint64_t);
// Of the builder's first segment, which must hold all: more than a message may have.
constexpr unsigned kSegmentWords = 4 * kMaxMessageWords;
constexpr size_t kMostElements = 64;
constexpr size_t kMostText = 4096;

kj::ArrayPtr<const capnp::word> Words(const MessageMutator::Message& message) {
  return kj::arrayPtr(reinterpret_cast<const capnp::word*>(message.data()), message.size());
}

}  // namespace

std::vector<MessageMutator::Message> MessageMutator::Split(const uint8_t* data, size_t bytes) {
  std::vector<Message> messages;
  size_t left = bytes / kWord;
  while (left != 0 && messages.size() < kMostMessages) {
    uint64_t first;
    std::memcpy(&first, data, kWord);
    const size_t words = first >> 32;
    Message message(words < left ? words + 1 : left);
    std::memcpy(message.data(), data, message.size() * kWord);
    data += message.size() * kWord;
    left -= message.size();
    messages.push_back(std::move(message));
  }
  return messages;
}

size_t MessageMutator::Join(const std::vector<Message>& messages, uint8_t* out, size_t room) {
  size_t used = 0;
  for (const Message& message : messages) {
    const size_t bytes = message.size() * kWord;
    if (bytes > room - used) break;
    if (bytes != 0) std::memcpy(out + used, message.data(), bytes);
    used += bytes;
  }
  return used;
}

MessageMutator::Message MessageMutator::Flat(capnp::MessageBuilder& builder) {
  const auto segments = builder.getSegmentsForOutput();
  // What did not fit into the first segment is cut off: no reader takes so large a message.
  const kj::ArrayPtr<const capnp::word> words = segments[0];
  Message message(words.size() + 1);
  message[0] = uint64_t{words.size()} << 32;
  std::memcpy(message.data() + 1, words.begin(), words.size() * kWord);
  return message;
}

// Values at the edges of types and of what drivers and services bound, or near the old one.
uint64_t MessageMutator::Integer(uint64_t old, unsigned bits) {
  switch (Random(6)) {
    case 0:
      return old + Random(9) - 4;
    case 1:
      return old ^ uint64_t { 1 } << Random(bits);
    case 2:
      return (uint64_t{1} << Random(bits)) + Random(3) - 1;
    case 3:
      return ~uint64_t{0} - Random(3);
    case 4:
      return Random(40);
    default:
      return uint64_t{random_()} << 32 | random_();
  }
}

size_t MessageMutator::Length(size_t old, size_t most) {
  switch (Random(4)) {
    case 0:
      return std::min(most, old + Random(3));
    case 1:
      return old - std::min<size_t>(old, Random(3));
    case 2:
      return std::min(most, (size_t{1} << Random(13)) + Random(3) - 1);
    default:
      return Random(std::min<size_t>(most, 16) + 1);
  }
}

void MessageMutator::ChangeBytes(uint8_t* bytes, size_t count) {
  for (size_t i = count == 0 ? 0 : 1 + Random(4); i != 0; --i) {
    constexpr char kTelling[] = "/@:=,.-+0919azAZ\0\n\t\x7f\xff\x80%~";
    bytes[Random(count)] = static_cast<uint8_t>(
        Random(2) == 0 ? random_() : static_cast<uint8_t>(kTelling[Random(sizeof(kTelling))]));
  }
}

template <typename Old>
DynamicValue::Reader MessageMutator::Scalar(capnp::Type type, Old old) {
  const auto number = [&](unsigned bits) { return Integer(static_cast<uint64_t>(old), bits); };
  switch (type.which()) {
    case capnp::schema::Type::BOOL:
      return Random(2) == 0;
    case capnp::schema::Type::INT8:
      return static_cast<int8_t>(number(8));
    case capnp::schema::Type::INT16:
      return static_cast<int16_t>(number(16));
    case capnp::schema::Type::INT32:
      return static_cast<int32_t>(number(32));
    case capnp::schema::Type::INT64:
      return static_cast<int64_t>(number(64));
    case capnp::schema::Type::UINT8:
      return static_cast<uint8_t>(number(8));
    case capnp::schema::Type::UINT16:
      return static_cast<uint16_t>(number(16));
    case capnp::schema::Type::UINT32:
      return static_cast<uint32_t>(number(32));
    case capnp::schema::Type::UINT64:
      return number(64);
    case capnp::schema::Type::FLOAT32:
    case capnp::schema::Type::FLOAT64:
      return static_cast<double>(static_cast<int64_t>(number(64)));
    case capnp::schema::Type::ENUM: {
      const capnp::EnumSchema schema = type.asEnum();
      // Also those that a later version may have.
      return capnp::DynamicEnum(schema,
                                static_cast<uint16_t>(Random(schema.getEnumerants().size() + 2)));
    }
    default:
      return capnp::VOID;
  }
}

void MessageMutator::ChangeList(DynamicList::Builder list, int depth) {
  if (list.size() == 0) return;
  const auto at = static_cast<unsigned>(Random(list.size()));
  const capnp::Type element = list.getSchema().getElementType();
  switch (element.which()) {
    case capnp::schema::Type::STRUCT:
      return ChangeStruct(list[at].as<DynamicStruct>(), depth + 1);
    case capnp::schema::Type::TEXT:
    case capnp::schema::Type::DATA: {
      auto blob = list.init(at, static_cast<unsigned>(Length(8, 256)));
      if (element.isText()) {
        auto text = blob.as<capnp::Text>();
        ChangeBytes(reinterpret_cast<uint8_t*>(text.begin()), text.size());
      } else {
        auto data = blob.as<capnp::Data>();
        ChangeBytes(data.begin(), data.size());
      }
      return;
    }
    case capnp::schema::Type::LIST:
      return ChangeList(list[at].as<DynamicList>(), depth + 1);
    default:
      list.set(at, Scalar(element, random_()));
  }
}

void MessageMutator::ChangeField(DynamicStruct::Builder builder, StructSchema::Field field,
                                 int depth) {
  const capnp::Type type = field.getType();
  const bool is_set = builder.has(field);
  switch (type.which()) {
    case capnp::schema::Type::STRUCT:
      if (field.getProto().isGroup())
        return ChangeStruct(builder.init(field).as<DynamicStruct>(), depth + 1);
      if (!is_set || Random(8) == 0) {
        Fill(builder.init(field).as<DynamicStruct>(), depth + 1);
      } else {
        ChangeStruct(builder.get(field).as<DynamicStruct>(), depth + 1);
      }
      return;
    case capnp::schema::Type::LIST: {
      if (is_set && Random(3) != 0)
        return ChangeList(builder.get(field).as<DynamicList>(), depth + 1);
      const size_t old = is_set ? builder.get(field).as<DynamicList>().size() : 0;
      auto list =
          builder.init(field, static_cast<unsigned>(Length(old, kMostElements))).as<DynamicList>();
      for (size_t i = 0; i < list.size() && i < 4; ++i) ChangeList(list, depth + 1);
      return;
    }
    case capnp::schema::Type::TEXT: {
      std::string old = is_set ? std::string(builder.get(field).as<capnp::Text>().cStr()) : "";
      if (old.empty() || Random(3) == 0) old.resize(Length(old.size(), kMostText), 'a');
      ChangeBytes(reinterpret_cast<uint8_t*>(old.data()), old.size());
      builder.set(field, DynamicValue::Reader(capnp::Text::Reader(old.data(), old.size())));
      return;
    }
    case capnp::schema::Type::DATA: {
      std::string old;
      if (is_set) {
        const auto data = builder.get(field).as<capnp::Data>();
        old.assign(data.begin(), data.end());
      }
      if (old.empty() || Random(3) == 0) old.resize(Length(old.size(), kMostText));
      ChangeBytes(reinterpret_cast<uint8_t*>(old.data()), old.size());
      builder.set(field, DynamicValue::Reader(capnp::Data::Reader(
                             reinterpret_cast<const kj::byte*>(old.data()), old.size())));
      return;
    }
    case capnp::schema::Type::ANY_POINTER:
    case capnp::schema::Type::INTERFACE:
      return;  // no schema of ours has one
    default:
      break;
  }
  // A union's arm that is not chosen has no old value; a forged union may have chosen none that
  // the schema knows.
  uint64_t old = 0;
  if (field.getProto().getDiscriminantValue() != 0xffff) {
    bool chosen = false;
    KJ_IF_MAYBE (present, builder.which()) chosen = *present == field;
    if (!chosen) return builder.set(field, Scalar(type, old));
  }
  const DynamicValue::Reader value = builder.get(field).asReader();
  if (value.getType() == DynamicValue::UINT) old = value.as<uint64_t>();
  if (value.getType() == DynamicValue::INT) old = static_cast<uint64_t>(value.as<int64_t>());
  builder.set(field, Scalar(type, old));
}

void MessageMutator::ChangeStruct(DynamicStruct::Builder builder, int depth) {
  if (depth > kMostNesting) return;
  const auto fields = builder.getSchema().getFields();
  if (fields.size() == 0) return;
  // Of a union mostly the arm that is there.
  KJ_IF_MAYBE (present, builder.which()) {
    if (Random(3) != 0) return ChangeField(builder, *present, depth);
  }
  ChangeField(builder, fields[static_cast<unsigned>(Random(fields.size()))], depth);
}

void MessageMutator::Fill(DynamicStruct::Builder builder, int depth) {
  if (depth > kMostNesting) return;
  const auto fields = builder.getSchema().getFields();
  for (size_t i = 0; i < fields.size(); ++i) ChangeStruct(builder, depth);
}

MessageMutator::Message MessageMutator::Fresh() {
  capnp::MallocMessageBuilder builder(kSegmentWords);
  Fill(builder.initRoot<DynamicStruct>(root_), 0);
  return Flat(builder);
}

MessageMutator::Message MessageMutator::Change(const Message& message) {
  if (!CheckMessage(Words(message)).ok()) return Fresh();
  ErrorTrap trap;
  capnp::MallocMessageBuilder builder(kSegmentWords);
  capnp::FlatArrayMessageReader reader(Words(message), LimitsFor(message.size()));
  builder.setRoot(reader.getRoot<DynamicStruct>(root_));
  for (uint64_t i = 1 + Random(3); i != 0; --i)
    ChangeStruct(builder.getRoot<DynamicStruct>(root_), 0);
  return Flat(builder);
}

void MessageMutator::Forge(Message& message) {
  if (message.size() < 2) return;
  const size_t at = 1 + Random(message.size() - 1);
  const uint64_t offset = (Random(2) == 0 ? Random(message.size()) : -Random(message.size() + 2)) &
                          ((uint64_t{1} << 30) - 1);
  switch (Random(8)) {
    case 0:  // a struct: offset, words of data, pointers
      message[at] = offset << 2 | Random(4) << 32 | Random(4) << 48;
      break;
    case 1:  // a list: offset, kind of elements, their count
      message[at] = offset << 2 | 1 | Random(8) << 32 | Integer(message.size(), 29) << 35;
      break;
    case 2:  // far: one or two words of landing pad, segment
      message[at] =
          (offset & ((uint64_t{1} << 29) - 1)) << 3 | Random(2) << 2 | 2 | Random(3) << 32;
      break;
    case 3:  // to itself: a struct whose only content is this pointer
      message[at] = ((uint64_t{1} << 30) - 1) << 2 | uint64_t{1} << 48;
      break;
    case 4:  // a capability, which no schema has
      message[at] = 3 | Random(2) << 32;
      break;
    case 5:  // shorter than it says
      message.resize(1 + Random(message.size()));
      break;
    case 6:  // another length, or more segments
      message[0] = Random(2) == 0 ? Integer(message[0] >> 32, 32) << 32
                                  : (message[0] & ~uint64_t{0xffffffff}) | Random(4);
      break;
    default:
      ChangeBytes(reinterpret_cast<uint8_t*>(message.data()), message.size() * kWord);
  }
}

size_t MessageMutator::Mutate(uint8_t* data, size_t bytes, size_t room, uint32_t seed) {
  Seed(seed);
  std::vector<Message> messages = Split(data, bytes);
  if (messages.empty()) messages.push_back(Fresh());
  const size_t at = Random(messages.size());
  const auto place = messages.begin() + static_cast<ptrdiff_t>(at);
  switch (Random(16)) {
    case 0:
      messages.insert(place, Fresh());
      break;
    case 1:
      messages.insert(place, Message(messages[at]));
      break;
    case 2:
      if (messages.size() > 1) messages.erase(place);
      break;
    case 3:
      std::swap(messages[at], messages[Random(messages.size())]);
      break;
    case 4:
    case 5:
    case 6:
    case 7:
      Forge(messages[at]);
      break;
    default:
      messages[at] = Change(messages[at]);
  }
  return Join(messages, data, room);
}

size_t MessageMutator::CrossOver(const uint8_t* one, size_t one_bytes, const uint8_t* other,
                                 size_t other_bytes, uint8_t* out, size_t room, uint32_t seed) {
  Seed(seed);
  std::vector<Message> messages = Split(one, one_bytes);
  const std::vector<Message> more = Split(other, other_bytes);
  messages.resize(Random(messages.size() + 1));
  for (size_t i = more.empty() ? 0 : Random(more.size()); i < more.size(); ++i)
    messages.push_back(more[i]);
  return Join(messages, out, room);
}

}  // namespace pyrene::proto
