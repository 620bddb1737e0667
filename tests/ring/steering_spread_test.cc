// The steering hash spreads connections evenly over any number of readers: random ones, and the
// regular ones that networks bring (ports and addresses counted up, one host scanning, one service
// with many clients), for any key.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "ring/steering.h"
#include "tests/support/ends.h"

namespace tcpeek::ring {
namespace {

using test::End;

constexpr std::uint32_t kConnections = 1U << 16;
constexpr unsigned kKeys = 12;
constexpr unsigned kMembers[] = {2, 3, 4, 7, 64};

SteeringKey numbered_key(unsigned number) {
  std::mt19937 random(number);
  const auto word = [&] { return static_cast<std::uint32_t>(random()); };
  return SteeringKey::from({word(), word(), word(), word()});
}

// `number` stands in the address at this 32-bit word.
End host(std::uint32_t number, std::uint32_t port, std::size_t word = 0, bool v6 = false) {
  End end;
  end.address.v6 = v6;
  if (v6) end.address.bytes.fill(0x20);
  for (std::size_t i = 0; i < 4; ++i) {
    end.address.bytes.at(word * 4 + i) = static_cast<std::uint8_t>(number >> (24 - 8 * i));
  }
  end.port = static_cast<std::uint16_t>(port);
  return end;
}
End host6(std::uint32_t number, std::size_t word, std::uint32_t port) {
  return host(number, port, word, true);
}

struct Pattern {
  const char* name;
  End (*client)(std::uint32_t i);
  End (*server)(std::uint32_t i);
};

constexpr std::uint32_t kNet = 0x0a000000;
constexpr std::uint32_t kServer = 0xc0000201;

End web(std::uint32_t /*i*/) {
  return host(kServer, 443);
}
End web6(std::uint32_t /*i*/) {
  return host6(1, 3, 443);
}

const Pattern kPatterns[] = {
    {"ports counted up", [](std::uint32_t i) { return host(kNet, i); }, web},
    {"addresses counted up", [](std::uint32_t i) { return host(kNet + i, 40000); }, web},
    {"addresses and ports counted up", [](std::uint32_t i) { return host(kNet + i, i); }, web},
    {"addresses 256 apart", [](std::uint32_t i) { return host(kNet + (i << 8), 40000); }, web},
    {"addresses 65536 apart", [](std::uint32_t i) { return host(i << 16 | 1, 40000); }, web},
    {"even ports of two hosts", [](std::uint32_t i) { return host(kNet + i % 2, i / 2 * 2); }, web},
    {"256 hosts with 256 ports",
     [](std::uint32_t i) { return host(kNet + i / 256, 32768 + i % 256); }, web},
    {"one host scans ports", [](std::uint32_t) { return host(kNet, 40000); },
     [](std::uint32_t i) { return host(kServer, i); }},
    {"both ends counted up together", [](std::uint32_t i) { return host(kNet + i, 40000); },
     [](std::uint32_t i) { return host(kServer + i, 443); }},
    {"both ends counted in opposite ways", [](std::uint32_t i) { return host(kNet + i, i); },
     [](std::uint32_t i) { return host(kNet + 0x20000 - i, 0xffff - i); }},
    {"IPv6 addresses counted up", [](std::uint32_t i) { return host6(i, 3, 40000); }, web6},
    {"IPv6 networks counted up", [](std::uint32_t i) { return host6(i, 1, 40000); }, web6},
    {"IPv6 ports counted up", [](std::uint32_t i) { return host6(9, 3, i); }, web6},
    {"random", [](std::uint32_t i) { return host(i * 2654435761U, i * 40503U >> 3); }, web},
};

std::vector<std::uint32_t> hashes(unsigned key_number, const Pattern& pattern) {
  const SteeringKey key = numbered_key(key_number);
  std::vector<std::uint32_t> result;
  for (std::uint32_t i = 0; i < kConnections; ++i) {
    const End a = pattern.client(i);
    const End b = pattern.server(i);
    result.push_back(steering_hash(key, {a.address_bytes(), a.port}, {b.address_bytes(), b.port}));
  }
  return result;
}

// The largest deviation of a member's share from an even one.
double unevenness(const std::vector<std::uint32_t>& hashes, unsigned members) {
  std::vector<std::uint32_t> share(members);
  for (const std::uint32_t h : hashes) ++share[owner(h, members)];
  const double even = static_cast<double>(kConnections) / members;
  double worst = 0;
  for (const std::uint32_t s : share) worst = std::max(worst, std::abs(s / even - 1));
  return worst;
}

TEST(SteeringSpreadTest, ConnectionsSpreadEvenlyForAnyKey) {
  for (const Pattern& pattern : kPatterns) {
    for (unsigned key = 0; key < kKeys; ++key) {
      const auto all = hashes(key, pattern);
      for (const unsigned members : kMembers) {
        // Six standard deviations of a fair draw; keys and patterns are fixed: no lottery.
        const double allowed = 6 * std::sqrt(static_cast<double>(members) / kConnections);
        EXPECT_LT(unevenness(all, members), allowed)
            << pattern.name << ", key " << key << ", members " << members;
      }
    }
  }
}

TEST(SteeringSpreadTest, AnotherKeyAssignsAnew) {
  for (const Pattern& pattern : kPatterns) {
    const auto one = hashes(1, pattern);
    const auto other = hashes(2, pattern);
    for (const unsigned members : kMembers) {
      std::uint32_t same = 0;
      for (std::size_t i = 0; i < one.size(); ++i) {
        if (owner(one[i], members) == owner(other[i], members)) ++same;
      }
      EXPECT_NEAR(static_cast<double>(same) / kConnections, 1.0 / members, 0.05) << pattern.name;
    }
  }
}

}  // namespace
}  // namespace tcpeek::ring
