module example.com/shop

go 1.26.0

require github.com/karafgo/karafgo v1.2.3

tool github.com/karafgo/karafgo/cmd/karafgo
