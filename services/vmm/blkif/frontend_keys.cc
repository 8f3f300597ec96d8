// SPDX-License-Identifier: Apache-2.0
#include "services/vmm/blkif/frontend_keys.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pyrene::vmm::blkif {
namespace {

constexpr char kQueues[] = "multi-queue-num-queues";
constexpr char kOrder[] = "ring-page-order";
constexpr char kProtocol[] = "protocol";

struct Shape {
  bool in_queues = false;  // the keys lie below queue-N
  uint32_t queues = 1;
  bool numbered = false;  // ring-ref0 and so on, also if there is one
  uint32_t pages = 1;
};

// False: it is there, and no number up to `most`.
bool Number(const FrontendKeys& keys, const std::string& key, uint32_t most, uint32_t* value) {
  const auto found = keys.find(key);
  if (found == keys.end()) return true;
  return absl::SimpleAtoi(found->second, value) && *value <= most;
}

absl::StatusOr<Shape> ShapeOf(const FrontendKeys& keys, uint32_t max_queues) {
  Shape shape;
  uint32_t order = 0;
  if (!Number(keys, kQueues, max_queues, &shape.queues) || shape.queues == 0)
    return absl::InvalidArgumentError("more queues than there may be");
  if (!Number(keys, kOrder, kMaxRingOrder, &order))
    return absl::InvalidArgumentError("a ring of more pages than it may have");
  // Pages of 4 KiB, 64-bit fields: the only one on this architecture.
  const auto protocol = keys.find(kProtocol);
  if (protocol != keys.end() && protocol->second != "arm-abi")
    return absl::InvalidArgumentError("another protocol than arm-abi");
  shape.in_queues = shape.queues > 1;
  shape.numbered = keys.contains(kOrder);
  shape.pages = 1u << order;
  return shape;
}

std::string Prefix(const Shape& shape, uint32_t queue) {
  return shape.in_queues ? absl::StrCat("queue-", queue, "/") : "";
}

std::string RefKey(const Shape& shape, uint32_t queue, uint32_t page) {
  const std::string key = Prefix(shape, queue) + "ring-ref";
  return shape.numbered ? absl::StrCat(key, page) : key;
}

}  // namespace

std::vector<std::string> ShapeKeys() { return {kQueues, kOrder, kProtocol}; }

absl::StatusOr<std::vector<std::string>> RingKeys(const FrontendKeys& shape_keys,
                                                  uint32_t max_queues) {
  const absl::StatusOr<Shape> shape = ShapeOf(shape_keys, max_queues);
  if (!shape.ok()) return shape.status();
  std::vector<std::string> keys;
  for (uint32_t queue = 0; queue < shape->queues; ++queue) {
    for (uint32_t page = 0; page < shape->pages; ++page)
      keys.push_back(RefKey(*shape, queue, page));
    keys.push_back(Prefix(*shape, queue) + "event-channel");
  }
  return keys;
}

absl::StatusOr<std::vector<Disk::RingPlace>> Rings(const FrontendKeys& keys, uint32_t max_queues) {
  const absl::StatusOr<Shape> shape = ShapeOf(keys, max_queues);
  if (!shape.ok()) return shape.status();
  const auto number = [&keys](const std::string& key, uint32_t* value) {
    const auto found = keys.find(key);
    return found != keys.end() && absl::SimpleAtoi(found->second, value);
  };
  std::vector<Disk::RingPlace> rings(shape->queues);
  for (uint32_t queue = 0; queue < shape->queues; ++queue) {
    for (uint32_t page = 0; page < shape->pages; ++page) {
      const std::string key = RefKey(*shape, queue, page);
      uint32_t ref;
      if (!number(key, &ref)) return absl::InvalidArgumentError(absl::StrCat("no ", key));
      rings[queue].refs.push_back(ref);
    }
    const std::string key = Prefix(*shape, queue) + "event-channel";
    if (!number(key, &rings[queue].port))
      return absl::InvalidArgumentError(absl::StrCat("no ", key));
  }
  return rings;
}

}  // namespace pyrene::vmm::blkif
