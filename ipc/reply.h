// A reply and whom it is for, whatever server the request came by.
//
// Thread contract: the reactor's thread.
#pragma once

#include <memory>
#include <string>
#include <utility>

namespace tcpeek::ipc {

// A reply, which can be sent to several clients without being copied.
class ReplyText {
 public:
  ReplyText() = default;       // none yet
  ReplyText(std::string text)  // implicit: a text is a reply
      : text_(std::make_shared<const std::string>(std::move(text))) {}

  [[nodiscard]] explicit operator bool() const noexcept { return text_ != nullptr; }
  [[nodiscard]] const std::string& operator*() const noexcept { return *text_; }
  // Expires once the last client has it.
  [[nodiscard]] std::weak_ptr<const std::string> weak() const noexcept { return text_; }

 private:
  std::shared_ptr<const std::string> text_;
};

// A server's client, who has asked.
class Asker {
 public:
  Asker() = default;
  virtual ~Asker() = default;
  Asker(const Asker&) = delete;
  Asker& operator=(const Asker&) = delete;

  // Only the first counts.
  virtual void send(ReplyText text) = 0;
  // Whether the client is still there, without a reply yet.
  [[nodiscard]] virtual bool wants_reply() const noexcept = 0;
};

// Replies to a client that has asked, at once or later; only the first call counts. Harmless when the
// client or the server is gone. If it is never called, the client is closed at its deadline.
class Reply {
 public:
  Reply() = default;  // to nobody
  explicit Reply(std::weak_ptr<Asker> client) noexcept : client_(std::move(client)) {}

  void operator()(ReplyText text) const {
    if (const auto client = client_.lock()) client->send(std::move(text));
  }
  [[nodiscard]] bool wanted() const noexcept {
    const auto client = client_.lock();
    return client != nullptr && client->wants_reply();
  }

 private:
  std::weak_ptr<Asker> client_;
};

}  // namespace tcpeek::ipc
