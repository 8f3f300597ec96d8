// SPDX-License-Identifier: Apache-2.0
//
// fs as xl's tests play it.
#pragma once

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/fs.capnp.h"
#include "tests/unit/xl_fake_peers.h"

namespace pyrene::xl {

// The disk's files by their paths, which make its directories.
class FakeFs : public FakePeer<proto::FsRequest, proto::FsReply> {
 public:
  FakeFs(runtime::EventLoop& loop, unsigned client_bit, unsigned server_bit)
      : FakePeer(loop, client_bit, server_bit, 4) {}

  std::map<std::string, std::string> files;
  std::string failure;            // of all requests
  std::function<void()> on_read;  // before the answer
  std::function<void()> on_append;
  bool foreign = false;  // until `replay`
  unsigned replays = 0;
  unsigned fills = 0;
  std::map<std::string, uint32_t> numbers;

 protected:
  void Handle(proto::FsRequest::Reader request) override {
    const uint32_t id = request.getId();
    if (foreign && !request.isReplay())
      return Fail(id, proto::FailureCode::FOREIGN_JOURNAL, "vda2 has a journal");
    if (!failure.empty()) return Fail(id, proto::FailureCode::FAILED, failure);
    switch (request.which()) {
      case proto::FsRequest::LOOK:
      case proto::FsRequest::STAT: {
        const std::string path =
            request.isLook() ? request.getLook().cStr() : request.getStat().cStr();
        if (files.count(path) == 0) return Fail(id, proto::FailureCode::NOT_FOUND, Missing(path));
        return Send([this, id, path](auto reply) {
          reply.setId(id);
          reply.initEntry().setName("x");
          reply.getEntry().setBytes(files[path].size());
          reply.getEntry().setNumber(NumberOf(path));
        });
      }
      case proto::FsRequest::START:
        files[kPart].clear();
        numbers.erase(kPart);
        return Send([this, id](auto reply) {
          reply.setId(id);
          reply.initEntry().setName("x");
          reply.getEntry().setNumber(NumberOf(kPart));
        });
      case proto::FsRequest::APPEND: {
        const proto::FsAppend::Reader append = request.getAppend();
        EXPECT_EQ(append.getNumber(), NumberOf(kPart));
        if (on_append) on_append();
        std::string& part = files[kPart];
        if (append.getOffset() == part.size()) {
          std::string data(append.getBytes(), '\0');
          if (!append.getZeros())
            EXPECT_TRUE(
                pool()
                    .Read({append.getPlace(), append.getBytes()}, data.data(), append.getBytes())
                    .ok());
          part += data;
        }
        return Grown(id, part.size());
      }
      case proto::FsRequest::RENAME: {
        const std::string from = request.getRename().getFrom().size() == 0
                                     ? kPart
                                     : std::string(request.getRename().getFrom().cStr());
        const std::string to = request.getRename().getTo().cStr();
        EXPECT_EQ(request.getRename().getNumber(), NumberOf(from));
        files[to] = files[from];
        numbers[to] = numbers[from];
        files.erase(from);
        return Done(id);
      }
      case proto::FsRequest::REMOVE:
        files.erase(request.getRemove().getPath().size() == 0
                        ? kPart
                        : std::string(request.getRemove().getPath().cStr()));
        return Done(id);
      case proto::FsRequest::FILL:
        ++fills;
        return Grown(id, files[request.getFill().getPath().cStr()].size());
      case proto::FsRequest::REPLAY:
        ++replays;
        foreign = false;
        return Done(id);
      case proto::FsRequest::LIST:
        return List(id, request.getList().getPath().cStr(), request.getList().getFirst());
      case proto::FsRequest::READ:
        return Read(id, request.getRead());
      case proto::FsRequest::USAGE:
        return Send([id](auto reply) {
          reply.setId(id);
          auto usage = reply.initUsage();
          usage.setDevice("vda2");
          usage.setTotalKib(1000);
          usage.setFreeKib(700);
          usage.setAvailableKib(650);
        });
      default:
        return Fail(id, proto::FailureCode::UNSUPPORTED, "not played");
    }
  }

 private:
  static constexpr char kPart[] = "/.part";

  uint32_t NumberOf(const std::string& path) {
    return numbers.try_emplace(path, ++last_number_).first->second;
  }
  void Done(uint32_t id) {
    Send([id](auto reply) {
      reply.setId(id);
      reply.setDone();
    });
  }
  void Grown(uint32_t id, uint64_t bytes) {
    Send([id, bytes](auto reply) {
      reply.setId(id);
      reply.setGrown(bytes);
    });
  }
  static std::string Missing(const std::string& path) {
    return absl::StrCat(path, ": No such file or directory");
  }
  void Fail(uint32_t id, proto::FailureCode code, const std::string& reason) {
    Send([id, code, reason](auto reply) {
      reply.setId(id);
      reply.initFailed().setCode(code);
      reply.getFailed().setReason(reason.c_str());
    });
  }
  // One entry in each message.
  void List(uint32_t id, const std::string& path, uint32_t first) {
    if (files.count(path) != 0)
      return Fail(id, proto::FailureCode::INVALID, absl::StrCat(path, ": Not a directory"));
    const std::string prefix = path == "/" ? path : absl::StrCat(path, "/");
    std::vector<std::pair<std::string, size_t>> names;
    for (const auto& [name, text] : files) {
      if (absl::StartsWith(name, prefix))
        names.emplace_back(name.substr(prefix.size()), text.size());
    }
    if (names.empty()) return Fail(id, proto::FailureCode::NOT_FOUND, Missing(path));
    Send([id, first, names](auto reply) {
      reply.setId(id);
      auto entries = reply.initEntries();
      auto list = entries.initList(1);
      list[0].setName(names[first].first.c_str());
      list[0].setBytes(names[first].second);
      entries.setNext(first + 1 < names.size() ? first + 1 : 0);
    });
  }
  void Read(uint32_t id, proto::FsRead::Reader request) {
    const std::string path = request.getPath().cStr();
    if (on_read) on_read();
    if (files.count(path) == 0) return Fail(id, proto::FailureCode::NOT_FOUND, Missing(path));
    const std::string part = files[path].substr(
        std::min<size_t>(request.getOffset(), files[path].size()), request.getBytes());
    const uint32_t bytes = static_cast<uint32_t>(part.size());
    EXPECT_TRUE(pool().Write({request.getPlace(), bytes}, part.data(), bytes).ok());
    Send([this, id, bytes, path](auto reply) {
      reply.setId(id);
      reply.initData().setBytes(bytes);
      reply.getData().setFileBytes(files[path].size());
    });
  }

  uint32_t last_number_ = 10;
};

}  // namespace pyrene::xl
