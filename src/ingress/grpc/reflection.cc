#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>

#include <set>
#include <string>
#include <vector>

#include "ingress/grpc/generic_service.h"

namespace loquat::ingress::grpc {
namespace {

namespace v1 = ::grpc::reflection::v1;
using google::protobuf::DescriptorPool;
using google::protobuf::FileDescriptor;

void NotFound(v1::ServerReflectionResponse& response) {
  response.mutable_error_response()->set_error_code(static_cast<int>(base::Code::kNotFound));
  response.mutable_error_response()->set_error_message("there is no such file, symbol or extension here");
}

// The file and all that it imports, each once.
void AddFile(const FileDescriptor& file, std::set<const FileDescriptor*>& added, v1::FileDescriptorResponse& response) {
  if (!added.insert(&file).second) return;
  google::protobuf::FileDescriptorProto proto;
  file.CopyTo(&proto);
  proto.SerializeToString(response.add_file_descriptor_proto());
  for (int i = 0; i < file.dependency_count(); ++i) AddFile(*file.dependency(i), added, response);
}

void AnswerFile(const FileDescriptor* file, v1::ServerReflectionResponse& response) {
  if (file == nullptr) return NotFound(response);
  std::set<const FileDescriptor*> added;
  AddFile(*file, added, *response.mutable_file_descriptor_response());
}

}  // namespace

void AnswerReflection(const v1::ServerReflectionRequest& request, const std::vector<std::string>& services,
                      v1::ServerReflectionResponse& response) {
  using Request = v1::ServerReflectionRequest;
  const DescriptorPool& pool = *DescriptorPool::generated_pool();
  response.set_valid_host(request.host());
  *response.mutable_original_request() = request;
  switch (request.message_request_case()) {
    case Request::kListServices:
      for (const std::string& name : services) response.mutable_list_services_response()->add_service()->set_name(name);
      return;
    case Request::kFileByFilename:
      return AnswerFile(pool.FindFileByName(request.file_by_filename()), response);
    case Request::kFileContainingSymbol:
      return AnswerFile(pool.FindFileContainingSymbol(request.file_containing_symbol()), response);
    case Request::kAllExtensionNumbersOfType:
      // Messages of proto3 have no extensions.
      if (pool.FindMessageTypeByName(request.all_extension_numbers_of_type()) == nullptr) return NotFound(response);
      response.mutable_all_extension_numbers_response()->set_base_type_name(request.all_extension_numbers_of_type());
      return;
    case Request::kFileContainingExtension:
      return NotFound(response);
    case Request::MESSAGE_REQUEST_NOT_SET:
      response.mutable_error_response()->set_error_code(static_cast<int>(base::Code::kInvalidArgument));
      response.mutable_error_response()->set_error_message("the request asks for nothing");
      return;
  }
}

}  // namespace loquat::ingress::grpc
