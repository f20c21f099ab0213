module github.com/hallpass-go/hallpass

go 1.26.0
