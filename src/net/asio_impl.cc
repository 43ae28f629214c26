// The compiled body of Asio: with BOOST_ASIO_SEPARATE_COMPILATION it is built here, once.

#include <boost/asio/impl/src.hpp>
