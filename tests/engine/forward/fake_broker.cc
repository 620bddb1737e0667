#include "tests/engine/forward/fake_broker.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <utility>

namespace tcpeek::forward::test {
namespace {

constexpr std::string_view kApi = "$JS.API.";
constexpr std::string_view kIdField = "Nats-Msg-Id: ";

void send_text(int client, std::string_view text) {
  static_cast<void>(::send(client, text.data(), text.size(), MSG_NOSIGNAL));
}

bool receive_more(int client, std::string& buffer) {
  std::array<char, 65536> piece{};
  const ssize_t count = ::recv(client, piece.data(), piece.size(), 0);
  if (count > 0) buffer.append(piece.data(), static_cast<std::size_t>(count));
  return count > 0;
}

std::vector<std::string> words_of(std::string_view line) {
  std::vector<std::string> words;
  while (!line.empty()) {
    const std::size_t end = std::min(line.find(' '), line.size());
    if (end > 0) words.emplace_back(line.substr(0, end));
    line.remove_prefix(std::min(end + 1, line.size()));
  }
  return words;
}

std::string id_in(const std::string& headers) {
  const std::size_t at = headers.find(kIdField);
  if (at == std::string::npos) return {};
  const std::size_t begin = at + kIdField.size();
  return headers.substr(begin, headers.find("\r\n", begin) - begin);
}

}  // namespace

std::string stored_at(std::uint64_t sequence) {
  return fmt::format(R"({{"stream":"TCPEEK","seq":{}}})", sequence);
}

std::string refused(int code, std::string_view description) {
  return fmt::format(
      R"({{"error":{{"code":400,"err_code":{},"description":"{}"}},"stream":"TCPEEK","seq":0}})",
      code, description);
}

FakeBroker::FakeBroker(Answer answer, std::uint64_t last, std::size_t max_payload)
    : answer_(std::move(answer)),
      last_(last),
      max_payload_(max_payload),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const name = reinterpret_cast<sockaddr*>(&address);  // NOLINT(*-reinterpret-cast)
  if (::bind(listener_.get(), name, size) != 0 || ::listen(listener_.get(), 8) != 0 ||
      ::getsockname(listener_.get(), name, &size) != 0) {
    ring::throw_errno("cannot listen");
  }
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { serve(); });
}

FakeBroker::~FakeBroker() {
  ::shutdown(listener_.get(), SHUT_RDWR);
  close_client();
  thread_.join();
}

std::vector<Published> FakeBroker::published() const {
  const std::scoped_lock lock(mutex_);
  return published_;
}

int FakeBroker::connections() const {
  const std::scoped_lock lock(mutex_);
  return connections_;
}

void FakeBroker::complain(const std::string& text) {
  const std::scoped_lock lock(mutex_);
  complaint_ = text;
}

void FakeBroker::close_client() {
  const std::scoped_lock lock(mutex_);
  if (client_ >= 0) ::shutdown(client_, SHUT_RDWR);
}

void FakeBroker::serve() {
  while (true) {
    const ring::Descriptor client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (client.get() < 0) return;
    {
      const std::scoped_lock lock(mutex_);
      client_ = client.get();
      ++connections_;
    }
    serve_client(client.get());
    const std::scoped_lock lock(mutex_);
    client_ = -1;
  }
}

void FakeBroker::serve_client(int client) {
  buffer_.clear();
  numbers_.clear();
  send_text(client,
            fmt::format(R"(INFO {{"server_id":"fake","version":"2.9.10","proto":1,"headers":true,)"
                        R"("host":"127.0.0.1","port":{},"max_payload":{},"jetstream":true}})"
                        "\r\n",
                        port_, max_payload_));
  while (true) {
    const std::size_t end = buffer_.find("\r\n");
    if (end == std::string::npos) {
      if (!receive_more(client, buffer_)) return;
      continue;
    }
    const std::string line = buffer_.substr(0, end);
    buffer_.erase(0, end + 2);
    if (!take_line(client, line)) return;
  }
}

// False: the client has gone in the middle of a message.
bool FakeBroker::take_line(int client, std::string_view line) {
  if (line == "PING") send_text(client, "PONG\r\n");
  if (line.starts_with("SUB ")) {
    const std::vector<std::string> words = words_of(line);
    numbers_[words[1].substr(0, words[1].find('*'))] = words.back();
  }
  if (!line.starts_with("PUB ") && !line.starts_with("HPUB ")) return true;
  const std::vector<std::string> words = words_of(line);
  const bool headers = words[0] == "HPUB";
  const std::size_t size = std::stoul(words.back());
  while (buffer_.size() < size + 2) {
    if (!receive_more(client, buffer_)) return false;
  }
  const std::size_t head = headers ? std::stoul(words[words.size() - 2]) : 0;
  const bool has_reply = words.size() == (headers ? 5U : 4U);
  const Published message{.subject = words[1],
                          .reply = has_reply ? words[2] : "",
                          .id = id_in(buffer_.substr(0, head)),
                          .payload = buffer_.substr(head, size - head)};
  buffer_.erase(0, size + 2);
  take_message(client, message);
  return true;
}

void FakeBroker::take_message(int client, const Published& message) {
  {
    const std::scoped_lock lock(mutex_);
    if (!message.subject.starts_with(kApi)) published_.push_back(message);
    if (!complaint_.empty()) send_text(client, fmt::format("-ERR '{}'\r\n", complaint_));
    complaint_.clear();
  }
  const std::string answer = answer_to(message);
  const std::string number = number_of(message.reply);
  if (answer.empty() || number.empty()) return;
  send_text(client,
            fmt::format("MSG {} {} {}\r\n{}\r\n", message.reply, number, answer.size(), answer));
}

std::string FakeBroker::answer_to(const Published& message) const {
  if (!message.subject.starts_with(kApi)) return answer_(message);
  if (!message.subject.starts_with("$JS.API.STREAM.INFO.")) {
    return R"({"error":{"code":404,"err_code":10037,"description":"no message found"}})";
  }
  return fmt::format(
      R"({{"type":"io.nats.jetstream.api.v1.stream_info_response","config":{{"name":"TCPEEK"}},)"
      R"("created":"2026-01-02T03:04:05Z","state":{{"messages":{0},"first_seq":1,"last_seq":{0}}}}})",
      last_);
}

std::string FakeBroker::number_of(const std::string& subject) const {
  for (const auto& [begin, number] : numbers_) {
    if (subject.starts_with(begin)) return number;
  }
  return {};
}

}  // namespace tcpeek::forward::test
