// The life of a client: its request, the reply, and what it still sends after that.
#include "ipc/http_session.h"

#include <boost/asio/basic_waitable_timer.hpp>
#include <boost/asio/buffer.hpp>

#include "ipc/http_request.h"
#include "ipc/server_sent_events.h"

namespace tcpeek::ipc {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using boost::system::error_code;

void HttpServer::Session::start() {
  set_deadline(core_->limits.request_deadline);
  go_on();
}

ClientSlot HttpServer::Session::slot() const {
  return {.peer = peer_, .state = state_, .since = since_};
}

std::shared_ptr<Stream> HttpServer::Session::become_stream(StreamFill fill) {
  if (!wants_reply() || !wants_events_ || !core_->streams->has_room()) return nullptr;
  auto stream = core_->streams->add(std::move(socket_), as_events(std::move(fill)));
  close();
  return stream;
}

void HttpServer::Session::send(ReplyText text) {
  if (!wants_reply()) return;
  if ((*text).size() > core_->limits.max_reply_bytes) {
    ++core_->stats.replies_dropped;
    return close();
  }
  const bool refused = head_.type == kJson && (*text).starts_with(R"({"error":)");
  if (refused && wants_events_) head_.status = http::status::service_unavailable;
  if (refused && !wants_events_) head_.status = http::status::bad_request;
  reply(std::move(text));
}

void HttpServer::Session::give_up() {
  if (state_ == State::asking) ++core_->stats.requests_dropped;
  if (state_ == State::being_answered || state_ == State::receiving) {
    ++core_->stats.replies_dropped;
  }
  close();
}

void HttpServer::Session::close() {
  if (closed_) return;
  closed_ = true;
  deadline_.cancel();
  error_code ignored;
  socket_.close(ignored);
  std::erase(core_->clients, shared_from_this());
}

void HttpServer::Session::enter(State state, std::chrono::milliseconds deadline) {
  state_ = state;
  since_ = asio::steady_timer::clock_type::now();
  set_deadline(deadline);
}

void HttpServer::Session::set_deadline(std::chrono::milliseconds from_now) {
  deadline_.expires_after(from_now);
  deadline_.async_wait([self = shared_from_this()](error_code error) {
    if (!error) self->on_deadline();
  });
}

void HttpServer::Session::on_deadline() {
  // The deadline was moved after its old one had expired and was queued.
  if (closed_ || deadline_.expiry() > asio::steady_timer::clock_type::now()) return;
  give_up();
}

void HttpServer::Session::take(std::string_view input) {
  const auto room = buffer_.prepare(input.size());
  asio::buffer_copy(room, asio::buffer(input));
  buffer_.commit(input.size());
}

void HttpServer::Session::go_on() {
  error_code error;
  const std::size_t taken = parser_.put(buffer_.data(), error);
  buffer_.consume(taken);
  // Beast's own limit is not exact where a header comes in pieces.
  header_bytes_ += taken;
  if (header_bytes_ > core_->limits.max_request_bytes) return refuse(http::error::header_limit);
  if (parser_.is_header_done()) return answer();
  if (error && error != http::error::need_more) return refuse(error);
  socket_.async_read_some(buffer_.prepare(buffer_.max_size() - buffer_.size()),
                          [self = shared_from_this()](error_code failed, std::size_t bytes) {
                            if (self->is(State::asking)) self->on_input(failed, bytes);
                          });
}

void HttpServer::Session::on_input(error_code error, std::size_t bytes) {
  if (error) {
    ++core_->stats.requests_dropped;
    return close();
  }
  buffer_.commit(bytes);
  go_on();
}

void HttpServer::Session::refuse(error_code error) {
  head_only_ = false;
  ++core_->stats.requests_dropped;
  enter(State::being_answered, core_->limits.reply_deadline);
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    return tell(http::status::request_header_fields_too_large, "the header is too long\n");
  }
  tell(http::status::bad_request, "this is not an HTTP request\n");
}

void HttpServer::Session::answer() {
  ++core_->stats.requests;
  enter(State::being_answered, core_->limits.reply_deadline);
  const auto& request = parser_.get();
  const std::string_view target(request.target().data(), request.target().size());
  const HttpPage page = page_of(target);
  WebRequest web;
  if (page == HttpPage::none && core_->handlers.web) web = web_request_of(target);
  head_only_ = request.method() == http::verb::head;
  if (page == HttpPage::none && web.kind == WebRequest::Kind::none) {
    return tell(http::status::not_found, "there are /metrics and /healthz\n");
  }
  if (request.method() != http::verb::get && !head_only_) {
    return tell(http::status::method_not_allowed, "GET and HEAD are allowed\n");
  }
  if (page == HttpPage::none) return answer_page(web);
  if (page == HttpPage::health) return tell_health();
  const MetricsRequest wanted = negotiate(joined(request, http::field::accept),
                                          joined(request, http::field::accept_encoding));
  head_ = {.type = content_type(wanted.form), .gzip = wanted.gzip};
  core_->handlers.metrics(wanted, Reply(weak_from_this()));
}

void HttpServer::Session::answer_page(const WebRequest& asked) {
  using Kind = WebRequest::Kind;
  const HttpServer::Web& web = *core_->handlers.web;
  const auto& fields = parser_.get();
  if (!is_own_host(joined(fields, http::field::host), connected_to())) {
    return tell(http::status::forbidden,
                "the page is for those who ask for localhost or for the address it is served at: "
                "the Host field names neither\n");
  }
  const auto fetch_site = fields["Sec-Fetch-Site"];
  if (asked.kind != Kind::page && comes_from_elsewhere({fetch_site.data(), fetch_site.size()})) {
    return tell(http::status::forbidden, "this is not for pages of other sites\n");
  }
  switch (asked.kind) {
    case Kind::none:
      return;
    case Kind::mistake:
      return tell(http::status::bad_request, asked.text + "\n");
    case Kind::page:
      head_ = {.type = kHtml, .policy = web.policy};
      return reply(web.page);
    case Kind::services:
      head_ = {.type = kJson};
      return reply(web.services);
    case Kind::reply:
      head_ = {.type = kJson};
      return web.ask(asked.text, Reply(weak_from_this()));
    case Kind::events:
      if (head_only_) return tell(http::status::method_not_allowed, "GET alone is allowed\n");
      return answer_events(asked.text);
  }
}

void HttpServer::Session::answer_events(std::string request) {
  const HttpServer::Web& web = *core_->handlers.web;
  const auto last = parser_.get()["Last-Event-ID"];
  const auto from = resume_after({last.data(), last.size()}, web.boot);
  if (from) {
    request.erase(std::min(request.size(), request.find(" from=")));
    request += " from=" + std::to_string(*from);
  }
  head_ = {.type = kJson};
  wants_events_ = true;
  web.ask(std::move(request), Reply(weak_from_this()));
}

std::string HttpServer::Session::connected_to() const {
  error_code error;
  const auto end = socket_.local_endpoint(error);
  return error ? std::string() : end.address().to_string();
}

void HttpServer::Session::tell_health() {
  const std::string trouble = core_->handlers.trouble();
  if (trouble.empty()) return tell(http::status::ok, "ok\n");
  tell(http::status::service_unavailable, trouble + "\n");
}

void HttpServer::Session::tell(http::status status, std::string text) {
  head_ = {.status = status};
  reply(ReplyText(std::move(text)));
}

void HttpServer::Session::reply(ReplyText text) {
  state_ = State::receiving;
  since_ = asio::steady_timer::clock_type::now();
  text_ = std::move(text);
  set_fields(response_, head_, parser_.is_header_done() ? parser_.get().version() : 11);
  response_.body() = {(*text_).data(), (*text_).size()};
  response_.prepare_payload();
  serializer_.emplace(response_);
  const auto written = [self = shared_from_this()](error_code failed, std::size_t) {
    if (self->is(State::receiving)) self->on_written(failed);
  };
  if (head_only_) return http::async_write_header(socket_, *serializer_, written);
  http::async_write(socket_, *serializer_, written);
}

void HttpServer::Session::on_written(error_code error) {
  if (error) {
    ++core_->stats.replies_dropped;
    return close();
  }
  finish();
}

void HttpServer::Session::finish() {
  text_ = {};
  error_code failed;
  socket_.shutdown(asio::ip::tcp::socket::shutdown_send, failed);
  if (failed) return close();
  enter(State::answered, core_->limits.drain_deadline);
  drain();
}

void HttpServer::Session::drain() {
  socket_.async_read_some(asio::buffer(discarded_),
                          [self = shared_from_this()](error_code error, std::size_t bytes) {
                            if (!self->is(State::answered)) return;
                            self->drained_ += bytes;
                            if (error || self->drained_ > self->core_->limits.max_drained_bytes) {
                              return self->close();
                            }
                            self->drain();
                          });
}

}  // namespace tcpeek::ipc
