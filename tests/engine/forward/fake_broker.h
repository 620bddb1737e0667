// A broker of a test's own on a TCP port: as much of NATS' protocol as a client needs to log in, and JetStream's answers
// as the test gives them.
//
// Thread contract: a thread of its own serves one client after the other; what the test gives is called there.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "ring/descriptor.h"

namespace tcpeek::forward::test {

struct Published {
  std::string subject;
  std::string reply;
  std::string id;
  std::string payload;
};

class FakeBroker {
 public:
  // What is answered to a message: the payload of its reply. Empty: nothing is.
  using Answer = std::function<std::string(const Published&)>;

  // The stream's sequences end with `last`. `answer` is for what is not asked of JetStream's API.
  explicit FakeBroker(Answer answer, std::uint64_t last = 0, std::size_t max_payload = 1 << 20);
  ~FakeBroker();
  FakeBroker(const FakeBroker&) = delete;
  FakeBroker& operator=(const FakeBroker&) = delete;

  [[nodiscard]] std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  [[nodiscard]] std::string url() const { return "nats://" + authority(); }
  // Events so far, in order; without requests to JetStream's API.
  [[nodiscard]] std::vector<Published> published() const;
  [[nodiscard]] int connections() const;
  // To be sent beside the next answer, as "-ERR ...".
  void complain(const std::string& text);
  void close_client();

 private:
  void serve();
  void serve_client(int client);
  bool take_line(int client, std::string_view line);
  void take_message(int client, const Published& message);
  [[nodiscard]] std::string answer_to(const Published& message) const;
  [[nodiscard]] std::string number_of(const std::string& subject) const;

  const Answer answer_;
  const std::uint64_t last_;
  const std::size_t max_payload_;
  ring::Descriptor listener_;
  std::uint16_t port_ = 0;
  mutable std::mutex mutex_;
  std::vector<Published> published_;
  std::string complaint_;
  int client_ = -1;
  int connections_ = 0;
  std::string buffer_;
  std::map<std::string, std::string> numbers_;  // of subscriptions, by what subjects begin with
  std::thread thread_;
};

// What JetStream answers to a message that it has stored.
[[nodiscard]] std::string stored_at(std::uint64_t sequence);
// And to one that it has not.
[[nodiscard]] std::string refused(int code, std::string_view description);

}  // namespace tcpeek::forward::test
