// When a stream takes its client for gone. What streams are for their clients: unix_server_stream_test.cc.
#include "ipc/stream_clients.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <memory>
#include <string>
#include <utility>

#include "ipc/unique_fd.h"

namespace tcpeek::ipc {
namespace {

using boost::system::error_code;
using Protocol = boost::asio::local::stream_protocol;
using Socket = StreamClient::Socket;

struct Connected {
  UniqueFd ours;
  UniqueFd theirs;
};

Connected connected() {
  std::array<int, 2> ends{};
  EXPECT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()), 0);
  return {UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Socket as_socket(boost::asio::io_context& context, UniqueFd end) {
  Protocol::socket socket(context, Protocol(), end.get());
  static_cast<void>(end.release());
  return socket;
}

TEST(StreamClients, AnEndThatWasAnotherSocketsIsNotTheClients) {
  boost::asio::io_context context(1);
  Connected first_pair = connected();
  Connected old_pair = connected();
  Connected client = connected();
  Socket first = as_socket(context, std::move(first_pair.ours));
  Socket old = as_socket(context, std::move(old_pair.ours));
  auto clients = std::make_shared<StreamClients>(StreamLimits{});
  std::shared_ptr<Stream> stream;

  // Both are ready when the context looks. While the first is served, the other closes and a stream begins, which
  // gets the registration that the other's end is queued for.
  first.async_wait(Socket::wait_read, [&](error_code) {
    old.close();
    stream = clients->add(as_socket(context, std::move(client.ours)), [](std::string&) {});
  });
  ASSERT_EQ(::write(first_pair.theirs.get(), "x", 1), 1);
  old_pair.theirs.reset();
  context.poll();

  ASSERT_NE(stream, nullptr);
  EXPECT_TRUE(stream->is_open());
  EXPECT_EQ(clients->size(), 1U);

  client.theirs.reset();
  context.restart();
  context.poll();
  EXPECT_FALSE(stream->is_open()) << "it still notices when its own client leaves";
  clients->close();
}

}  // namespace
}  // namespace tcpeek::ipc
