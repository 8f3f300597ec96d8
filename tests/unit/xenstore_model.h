// SPDX-License-Identifier: Apache-2.0
//
// A XenStore as simple as can be, to compare the real one with: the tree is a map from path to
// node, a snapshot is a copy of the map, and everything is found by looking at everything. It
// shares no code with the real one but the constants of the tests.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace pyrene::xenstore {

class Model {
 public:
  struct Node {
    std::string value;
    std::vector<std::string> perms;  // "n0", "r5"
    uint64_t born = 0;  // creation, value or permissions, list of children: when they last changed
    uint64_t content = 0;
    uint64_t listing = 0;
  };
  using Nodes = std::map<std::string, Node>;

  struct Tx {
    uint64_t start = 0;
    Nodes base;
    Nodes now;
    std::set<std::string> content, listing, subtree;             // what was looked at
    std::set<std::string> values, set_perms, removed, implicit;  // what was written
  };
  struct Watch {
    std::string path, token;
    bool relative = false;
    uint32_t depth = ~0u;
  };
  struct Client {
    int domid = 0;
    bool privileged = false;
    long max_nodes = 1'000'000;
    size_t max_watches = 1'000'000;
    size_t max_transactions = 1'000'000;
    size_t max_perms = 1'000'000;
    std::map<uint32_t, Tx> txs;
    std::vector<Watch> watches;
    std::multiset<std::string> events;  // "path token"
  };

  Model() { nodes["/"] = {"", {"n0"}}; }

  Nodes nodes;
  std::map<int, Client> clients;  // by domid
  std::map<int, uint64_t> released;

  // Each answers like Client of the tests. `tx` null: none.
  std::string Read(Client& c, const std::string& raw, Tx* tx) {
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'r');
    return error.empty() ? In(tx)[path].value : error;
  }
  std::string GetPerms(Client& c, const std::string& raw, Tx* tx) {
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'r');
    return error.empty() ? Join(In(tx)[path].perms) : error;
  }
  std::string Directory(Client& c, const std::string& raw, Tx* tx) {
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'r');
    if (tx != nullptr) tx->listing.insert(path);
    if (!error.empty()) return error;
    std::vector<std::pair<uint64_t, std::string>> found;
    for (const auto& [other, node] : In(tx)) {
      if (other != "/" && Parent(other) == path) {
        found.emplace_back(node.born, other.substr(other.rfind('/') + 1));
      }
    }
    std::sort(found.begin(), found.end());
    std::vector<std::string> names;
    names.reserve(found.size());
    for (auto& [born, name] : found) names.push_back(name);
    return Join(names);
  }
  std::string Write(Client& c, const std::string& raw, const std::string& value, Tx* tx) {
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'w');
    if (error == "!ENOENT") return Create(c, path, value, tx);
    if (!error.empty()) return error;
    In(tx)[path].value = value;
    In(tx)[path].content = ++clock_;
    if (tx != nullptr) {
      tx->values.insert(path);
    } else {
      Announce({{path, {}, {}}});
    }
    return "OK";
  }
  std::string Mkdir(Client& c, const std::string& raw, Tx* tx) {
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'w');
    if (error == "!ENOENT") return Create(c, path, "", tx);
    return error.empty() ? "OK" : error;
  }
  std::string Rm(Client& c, const std::string& raw, Tx* tx) {
    std::string path = Absolute(c, raw);
    if (path == "/") return "!EINVAL";
    std::string error = Look(c, path, tx, 'w');
    if (error == "!ENOENT") {
      if (tx != nullptr) tx->content.insert(Parent(path));
      return In(tx).contains(Parent(path)) ? "OK" : error;
    }
    if (!error.empty()) return error;
    Nodes gone = Remove(In(tx), path);
    if (tx != nullptr) {
      tx->subtree.insert(path);
      tx->removed.insert(path);
    } else {
      Announce({{path, {}, gone}});
    }
    return "OK";
  }
  std::string SetPerms(Client& c, const std::string& raw, std::vector<std::string> perms, Tx* tx) {
    if (!c.privileged) {
      if (perms.size() > c.max_perms) return "!ENOSPC";
      for (size_t i = perms.size(); i-- > 1;) {
        if (DomId(perms[i]) != 0 && !clients.contains(DomId(perms[i])))
          perms.erase(perms.begin() + static_cast<long>(i));
      }
    }
    std::string path = Absolute(c, raw);
    std::string error = Look(c, path, tx, 'o');
    if (!error.empty()) return error;
    Node& node = In(tx)[path];
    if (!c.privileged && DomId(perms[0]) != c.domid) return "!EPERM";
    std::vector<std::string> old = std::exchange(node.perms, perms);
    node.content = ++clock_;
    if (tx != nullptr) {
      tx->set_perms.insert(path);
    } else {
      Announce({{path, old, {}}});
    }
    return "OK";
  }
  std::string AddWatch(Client& c, const std::string& raw, const std::string& token,
                       uint32_t depth) {
    Watch watch{Absolute(c, raw), token, raw[0] != '/', depth};
    for (const Watch& other : c.watches) {
      if (other.path == watch.path && other.token == token) return "!EEXIST";
    }
    if (!c.privileged && c.watches.size() >= c.max_watches) return "!ENOSPC";
    c.watches.push_back(watch);
    c.events.insert(raw + " " + token);
    return "OK";
  }
  std::string Unwatch(Client& c, const std::string& raw, const std::string& token) {
    std::string path = Absolute(c, raw);
    size_t gone = std::erase_if(
        c.watches, [&](const Watch& watch) { return watch.path == path && watch.token == token; });
    return gone != 0 ? "OK" : "!ENOENT";
  }
  bool MayStart(const Client& c) const { return c.privileged || c.txs.size() < c.max_transactions; }
  void Start(Client& c, uint32_t id) {
    Tx& tx = c.txs[id];
    tx.start = clock_;
    tx.base = tx.now = nodes;
  }
  std::string End(Client& c, uint32_t id, bool commit) {
    Tx tx = c.txs.extract(id).mapped();
    if (!commit) return "OK";
    if (Conflicts(tx)) return "!EAGAIN";
    long more = Owned(tx.now, c.domid) - Owned(tx.base, c.domid);
    if (!c.privileged && more > 0 && Owned(nodes, c.domid) + more > c.max_nodes) {
      return "!ENOSPC";
    }
    Commit(tx);
    return "OK";
  }
  void Release(int domid) {
    clients.erase(domid);
    std::vector<Change> changes;
    for (bool again = true; again;) {
      again = false;
      for (const auto& [path, node] : nodes) {
        if (path == "/" || DomId(node.perms[0]) != domid) continue;
        std::string top = path;
        changes.push_back({top, {}, Remove(nodes, top)});
        again = true;
        break;
      }
    }
    for (auto& [path, node] : nodes) {
      size_t before = node.perms.size();
      for (size_t i = node.perms.size(); i-- > 1;) {
        if (DomId(node.perms[i]) == domid)
          node.perms.erase(node.perms.begin() + static_cast<long>(i));
      }
      if (node.perms.size() != before) node.content = ++clock_;
    }
    released[domid] = ++clock_;
    Announce(changes);
  }

  static long Owned(const Nodes& in, int domid) {
    return std::count_if(in.begin(), in.end(),
                         [&](const auto& e) { return DomId(e.second.perms[0]) == domid; });
  }
  static int DomId(const std::string& perm) { return std::stoi(perm.substr(1)); }
  static std::string Join(const std::vector<std::string>& words) {
    std::string joined;
    for (const std::string& word : words) joined += (joined.empty() ? "" : " ") + word;
    return joined;
  }

 private:
  struct Change {
    std::string path;
    std::vector<std::string> old_perms;
    Nodes gone;
  };

  Nodes& In(Tx* tx) { return tx != nullptr ? tx->now : nodes; }

  static std::string Home(int domid) { return "/local/domain/" + std::to_string(domid); }
  static std::string Absolute(const Client& c, const std::string& raw) {
    return raw[0] == '/' ? raw : Home(c.domid) + "/" + raw;
  }
  static std::string Parent(const std::string& path) {
    size_t slash = path.rfind('/');
    return slash == 0 ? "/" : path.substr(0, slash);
  }
  static bool Below(const std::string& path, const std::string& top) {
    if (path == top) return false;
    return top == "/" || path.rfind(top + "/", 0) == 0;
  }

  // 'r', 'w' or 'o' (own) allowed by a list of permissions.
  static bool May(const Client& c, const std::vector<std::string>& perms, char what) {
    if (c.privileged || DomId(perms[0]) == c.domid) return true;
    if (what == 'o') return false;
    char letter = perms[0][0];
    for (size_t i = perms.size(); i-- > 1;) {
      if (DomId(perms[i]) == c.domid) letter = perms[i][0];
    }
    return letter == what || letter == 'b';
  }

  std::string Look(const Client& c, const std::string& path, Tx* tx, char what) {
    if (tx != nullptr) tx->content.insert(path);
    Nodes& in = In(tx);
    auto found = in.find(path);
    if (found != in.end()) return May(c, found->second.perms, what) ? "" : "!EACCES";
    std::string up = path;
    while (!in.contains(up)) up = Parent(up);
    bool some = May(c, in[up].perms, what) || (what == 'o' && May(c, in[up].perms, 'w'));
    return some ? "!ENOENT" : "!EACCES";
  }

  std::string Create(const Client& c, const std::string& path, const std::string& value, Tx* tx) {
    Nodes& in = In(tx);
    std::vector<std::string> missing;
    std::string up = path;
    for (; !in.contains(up); up = Parent(up)) missing.insert(missing.begin(), up);
    std::vector<std::string> perms = in[up].perms;
    if (!c.privileged) {
      perms[0] = perms[0].substr(0, 1) + std::to_string(c.domid);
      long owned = Owned(nodes, c.domid);
      if (tx != nullptr) owned += Owned(tx->now, c.domid) - Owned(tx->base, c.domid);
      if (owned + static_cast<long>(missing.size()) > c.max_nodes) return "!ENOSPC";
    }
    in[up].listing = ++clock_;
    for (const std::string& each : missing) {
      in[each] = {each == path ? value : "", perms, clock_, clock_, clock_};
      if (tx != nullptr) {
        tx->content.insert(each);
        (each == path ? tx->values : tx->implicit).insert(each);
      }
    }
    if (tx != nullptr) {
      tx->content.insert(up);
    } else {
      Announce({{path, {}, {}}});
    }
    return "OK";
  }

  Nodes Remove(Nodes& in, const std::string& path) {
    Nodes gone;
    for (auto it = in.begin(); it != in.end();) {
      if (it->first == path || Below(it->first, path)) {
        gone.insert(*it);
        it = in.erase(it);
      } else {
        ++it;
      }
    }
    in[Parent(path)].listing = ++clock_;
    return gone;
  }

  bool Conflicts(const Tx& tx) const {
    auto same = [&](const std::string& path, uint64_t Node::*stamp) {
      auto old = tx.base.find(path);
      auto now = nodes.find(path);
      if (old == tx.base.end() || now == nodes.end()) {
        return (old == tx.base.end()) == (now == nodes.end());
      }
      return old->second.*stamp == now->second.*stamp && old->second.born == now->second.born;
    };
    for (const std::string& path : tx.content) {
      if (!same(path, &Node::content)) return true;
    }
    for (const std::string& path : tx.listing) {
      if (!same(path, &Node::content) || !same(path, &Node::listing)) return true;
    }
    for (const std::string& path : tx.subtree) {
      // Of a node made by the transaction itself there was no subtree.
      if (!tx.base.contains(path)) continue;
      for (const Nodes* in : {&tx.base, &nodes}) {
        for (const auto& [other, node] : *in) {
          if (other != path && !Below(other, path)) continue;
          if (!same(other, &Node::content) || !same(other, &Node::listing)) return true;
        }
      }
    }
    for (const auto* written : {&tx.values, &tx.set_perms, &tx.implicit, &tx.removed}) {
      for (const std::string& path : *written) {
        auto now = tx.now.find(path);
        if (now == tx.now.end()) continue;
        for (const std::string& perm : now->second.perms) {
          auto gone = released.find(DomId(perm));
          if (gone != released.end() && gone->second > tx.start) return true;
        }
      }
    }
    return false;
  }

  // Brings over every difference between how the transaction found the tree and how it leaves it.
  void Commit(const Tx& tx) {
    std::set<std::string> paths;
    for (const auto& [path, node] : tx.base) paths.insert(path);
    for (const auto& [path, node] : tx.now) paths.insert(path);
    std::vector<Change> changes;
    // What is gone, what stayed, and then what was made, in that order.
    std::vector<std::pair<uint64_t, std::string>> left;
    for (const std::string& path : paths) {
      auto old = tx.base.find(path);
      auto now = tx.now.find(path);
      bool was = old != tx.base.end();
      bool is = now != tx.now.end();
      bool made = is && (!was || old->second.born != now->second.born);
      if (was && (!is || made) && nodes.contains(path))
        changes.push_back({path, {}, Remove(nodes, path)});
      if (is) left.emplace_back(made ? now->second.born : 0, path);
    }
    std::sort(left.begin(), left.end());
    for (const auto& [made, path] : left) {
      auto old = tx.base.find(path);
      auto now = tx.now.find(path);
      if (made != 0) {
        nodes[path] = now->second;
        nodes[path].born = nodes[path].content = nodes[path].listing = ++clock_;
        nodes[Parent(path)].listing = clock_;
        if (tx.values.contains(path) || tx.set_perms.contains(path) || tx.removed.contains(path)) {
          changes.push_back({path, {}, {}});
        }
        continue;
      }
      if (old->second.content == now->second.content) continue;
      std::vector<std::string> before = nodes[path].perms;
      nodes[path].value = now->second.value;
      nodes[path].perms = now->second.perms;
      nodes[path].content = ++clock_;
      changes.push_back({path, before, {}});
    }
    Announce(changes);
  }

  void Announce(const std::vector<Change>& changes) {
    for (const Change& change : changes) {
      for (auto& entry : clients) {
        Client& c = entry.second;
        auto readable = [&](const Nodes& in, const std::string& path) {
          auto found = in.find(path);
          return found != in.end() && May(c, found->second.perms, 'r');
        };
        for (const Watch& watch : c.watches) {
          if (change.path == watch.path || Below(change.path, watch.path)) {
            if (Levels(change.path) - Levels(watch.path) > watch.depth) continue;
            if (readable(nodes, change.path) || readable(nodes, Parent(change.path)) ||
                readable(change.gone, change.path) ||
                (!change.old_perms.empty() && May(c, change.old_perms, 'r'))) {
              Tell(c, watch, change.path);
            }
          } else if (change.gone.contains(watch.path) &&
                     (readable(change.gone, watch.path) ||
                      readable(change.gone, Parent(watch.path)))) {
            Tell(c, watch, watch.path);
          }
        }
      }
    }
  }
  static uint32_t Levels(const std::string& path) {
    return path == "/" ? 0 : static_cast<uint32_t>(std::count(path.begin(), path.end(), '/'));
  }
  static void Tell(Client& c, const Watch& watch, const std::string& path) {
    std::string event =
        (watch.relative ? path.substr(Home(c.domid).size() + 1) : path) + " " + watch.token;
    if (!c.events.contains(event)) c.events.insert(event);
  }

  uint64_t clock_ = 0;
};

// Paths that meet each other, in the homes of domains 5 and 6 and outside.
template <typename Random>
std::string RandomPath(Random& random) {
  static const char* tops[] = {
      "data",    "data",    "",      "/local/domain/5/data", "/local/domain/6/data",
      "/shared", "/shared", "/tool", "/local/domain/5",      "/none"};
  std::string path = tops[random() % 10];
  for (uint64_t depth = random() % 4; depth > 0; --depth) {
    if (!path.empty()) path += "/";
    path += static_cast<char>('a' + random() % 3);
  }
  return path.empty() ? (random() % 2 ? "name" : "/") : path;
}

}  // namespace pyrene::xenstore
