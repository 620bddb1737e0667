#include "ipc/listener.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <functional>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include "ipc/socket_path.h"
#include "tests/ipc/support.h"

namespace tcpeek::ipc::test {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;
using Local = asio::local::stream_protocol;
using std::chrono_literals::operator""us;

class ListenerTest : public testing::Test {
 protected:
  ListenerTest() { listener_.open(Local(), socket_path_.take_listener(), "cannot listen"); }

  UniqueFd accepted() {
    return UniqueFd(::accept4(listener_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC));
  }

  TempDir dir_;
  SocketPath socket_path_ = SocketPath::listen(dir_ / "x.sock", SocketPath::Parent::must_exist);
  asio::io_context context_;
  Listener<Local> listener_{context_};
};

TEST_F(ListenerTest, TellsOfAClient) {
  int told = 0;
  listener_.wait([&](error_code error) { told += error ? 100 : 1; });
  context_.poll();
  EXPECT_EQ(told, 0);
  const Client client(socket_path_.path());
  context_.run_for(kPatience);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(accepted());
}

TEST_F(ListenerTest, AfterThePauseTellsOfAClientThatCameMeanwhile) {
  int told = 0;
  listener_.wait_after(20ms, [&](error_code error) { told += error ? 100 : 1; });
  const Client client(socket_path_.path());
  const auto begin = Clock::now();
  context_.run_for(kPatience);
  EXPECT_GE(Clock::now() - begin, 20ms);
  EXPECT_EQ(told, 1);
  EXPECT_TRUE(accepted());
}

TEST_F(ListenerTest, PausesAgainAndAgain) {
  const Client client(socket_path_.path());
  int rounds = 0;
  std::function<void(error_code)> once_more = [&](error_code error) {
    ASSERT_FALSE(error);
    if (++rounds < 5) listener_.wait_after(1ms, once_more);
  };
  listener_.wait(once_more);
  context_.run_for(kPatience);
  EXPECT_EQ(rounds, 5);
  EXPECT_TRUE(accepted());
}

TEST_F(ListenerTest, ClientsDoNotWakeTheReactorDuringThePause) {
  constexpr int kClients = 200;
  long wakeups = 0;
  bool told = false;
  listener_.wait_after(1h, [&](error_code) { told = true; });
  std::thread reactor([&] {
    context_.run();
    rusage used{};
    ::getrusage(RUSAGE_THREAD, &used);
    wakeups = used.ru_nvcsw;
  });
  std::vector<Client> clients;
  for (int i = 0; i < kClients; ++i) {
    clients.emplace_back(socket_path_.path());
    std::this_thread::sleep_for(500us);
  }
  context_.stop();
  reactor.join();
  EXPECT_FALSE(told);
  EXPECT_LT(wakeups, kClients / 4);
}

TEST_F(ListenerTest, IsSilentAfterItsEnd) {
  const Client client(socket_path_.path());
  bool told = false;
  listener_.wait([&](error_code) { told = true; });
  listener_.close();
  context_.run_for(kPatience);
  EXPECT_FALSE(told);
}

TEST_F(ListenerTest, IsSilentAfterItsEndInThePause) {
  const Client client(socket_path_.path());
  bool told = false;
  listener_.wait_after(1ms, [&](error_code) { told = true; });
  std::this_thread::sleep_for(5ms);  // the pause is over, and its end not yet handled
  listener_.close();
  context_.run_for(kPatience);
  EXPECT_FALSE(told);
  EXPECT_NE(connect_to(unix_socket().get(), socket_path_.path()), 0) << "it is still open";
}

TEST_F(ListenerTest, WhatCannotBeWaitedForIsNamed) {
  Listener<Local> another(context_);
  try {
    another.open(Local(), UniqueFd(), "cannot serve on /x");
    FAIL() << "opened";
  } catch (const std::system_error& error) {
    EXPECT_EQ(error.code().value(), EBADF);
    EXPECT_EQ(std::string(error.what()).find("cannot serve on /x: "), 0U) << error.what();
  }
}

}  // namespace
}  // namespace tcpeek::ipc::test
