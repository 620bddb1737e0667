// What is read of /proc/net/netstat; and this machine's own, with a real listener.
#include "engine/live/kernel_queues.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>

namespace tcpeek::engine {
namespace {

TEST(ListenCounters, ReadsThemByName) {
  const auto counters = parse_listen_counters(
      "IpExt: InNoRoutes ListenOverflows\nIpExt: 3 4\n"
      "TcpExt: SyncookiesSent ListenOverflows ListenDrops TCPReqQFullDrop Later\n"
      "TcpExt: 1 18446744073709551615 3 0 7\n");
  ASSERT_TRUE(counters);
  EXPECT_EQ(counters->overflows, 18'446'744'073'709'551'615U);
  EXPECT_EQ(counters->drops, 3U);
  EXPECT_EQ(counters->syn_queue_drops, 0U);
}

TEST(ListenCounters, AreNotKnownOfAnotherText) {
  for (const char* text :
       {"", "\n", "TcpExt:", "TcpExt: ListenOverflows", "TcpExt: ListenOverflows\n",
        "TcpExt: ListenOverflows\nIpExt: 5\n", "TcpExt: ListenOverflows\nTcpExt:\n",
        "TcpExt: ListenDrops\nTcpExt: 5\n", "IpExt: ListenOverflows\nIpExt: 5\n"}) {
    EXPECT_FALSE(parse_listen_counters(text)) << text;
  }
}

class Listening {
 public:
  explicit Listening(int backlog) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* generic = reinterpret_cast<sockaddr*>(&address);
    listens_ = ::bind(socket_.get(), generic, length) == 0 &&
               ::listen(socket_.get(), backlog) == 0 &&
               ::getsockname(socket_.get(), generic, &length) == 0;
    address_ = address;
  }
  [[nodiscard]] bool listens() const { return listens_; }
  [[nodiscard]] std::uint16_t port() const { return ntohs(address_.sin_port); }
  [[nodiscard]] ring::Descriptor connect() const {
    ring::Descriptor client(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const auto* generic = reinterpret_cast<const sockaddr*>(&address_);
    EXPECT_EQ(::connect(client.get(), generic, sizeof address_), 0);
    return client;
  }

 private:
  ring::Descriptor socket_;
  sockaddr_in address_{};
  bool listens_ = false;
};

TEST(KernelQueueReader, FindsAListenerAndItsBacklog) {
  const Listening listening(7);
  ASSERT_TRUE(listening.listens());
  const ring::Descriptor first = listening.connect();
  const ring::Descriptor second = listening.connect();
  KernelQueueReader reader;
  KernelQueues queues;
  for (int round = 0; round < 3; ++round) {
    reader.read(queues);
    if (!queues.listeners_known) GTEST_SKIP() << "no sock_diag here";
    EXPECT_TRUE(queues.counters);
    const auto found = std::ranges::find(queues.listeners, listening.port(), &ring::Listener::port);
    ASSERT_NE(found, queues.listeners.end());
    EXPECT_TRUE(found->v4);
    EXPECT_EQ(found->address[12], 127);
    EXPECT_EQ(found->backlog, 2U);
    EXPECT_EQ(found->backlog_max, 7U);
    EXPECT_FALSE(found->full());
    EXPECT_NE(found->cookie, 0U);
  }
}

}  // namespace
}  // namespace tcpeek::engine
